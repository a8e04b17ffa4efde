"""The page of one job: it follows the job, plays the video, and draws when everything was."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, Page, ViewportSize, expect

from dropreel.domain.job import Job, JobStatus
from dropreel_cli.policies import policy_document
from dropreel_cli.stack_resources import StackResources
from dropreel_cli.web.histories import NOT_ALLOWED, Histories
from tests.e2e.conftest import Account
from tests.e2e.engine_permissions import user_with
from tests.support.browser import contrast_schemes

NASTY = "<img src=x onerror=alert(1)> & 'quoted'.jpg"

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def completed(account: Account) -> Job:
    key = account.new_key("beach.jpg")
    account.put(key, metadata={"prompt": "</q><script>alert(1)</script>"})
    return account.ended(key)


@pytest.fixture
def slow_provider(account: Account) -> Iterator[None]:
    account.simulator.set_pace(processing_seconds=4)
    yield
    account.simulator.set_pace(processing_seconds=0)


def open_job(page: Page, job: Job) -> None:
    page.goto(f"{page.url.partition('/?')[0].rstrip('/')}/jobs/{job.job_id}")


@pytest.mark.usefixtures("slow_provider")
def test_the_page_follows_its_job_poll_by_poll_to_the_video(account: Account, page: Page) -> None:
    key = account.new_key(NASTY)
    account.put(key)
    job = account.job_when(key, lambda job: job.status is JobStatus.GENERATING)

    open_job(page, job)

    expect(page.locator("h1")).to_have_text(key)
    expect(page.locator(".status").last).to_have_text("generating")
    page.get_by_text("Every time, as a table").click()
    expect(page.locator(".timeline line.poll").first).to_be_attached(timeout=15_000)
    page.evaluate("window.sameDocument = true")
    expect(page.locator("video")).to_be_visible(timeout=30_000)
    expect(page.locator(".timeline .mark.completed")).to_be_attached()
    expect(page.locator(".times tbody")).to_contain_text("delivered")
    expect(page.locator(".times")).to_have_attribute("open", "")
    assert page.evaluate("window.sameDocument") is True
    polls = account.ended(key).polls
    expect(page.locator(".timeline line.poll")).to_have_count(polls, timeout=15_000)
    times = page.locator(".times tr", has_text="polled").inner_text()
    assert len(re.findall(r"\d\d:\d\d:\d\d", times.partition(":")[2].partition("attempt 1:")[2])) == polls


def test_the_video_plays_beside_the_picture(page: Page, completed: Job) -> None:
    open_job(page, completed)

    picture, video = page.locator(".story .picture img"), page.locator(".story video")
    expect(picture).to_be_visible()
    video.evaluate("(video) => { video.muted = true; return video.play(); }")
    page.wait_for_function("document.querySelector('.story video').currentTime > 0")
    left, right = picture.bounding_box(), video.bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"]
    assert abs(left["y"] - right["y"]) < 2


def test_the_receipt_is_read_when_it_is_opened(page: Page, completed: Job) -> None:
    open_job(page, completed)
    receipt = page.locator("details.receipt")
    expect(receipt.locator("table")).to_have_count(0)

    receipt.locator("summary").press("Enter")

    expect(receipt.locator("tr", has_text="generation_id")).to_contain_text(completed.generation_id or "")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the receipt").click()
    assert download.value.suggested_filename.endswith(".json")


def test_texts_of_others_are_shown_and_not_run(page: Page, completed: Job) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)

    open_job(page, completed)

    expect(page.locator(".options tr", has_text="prompt").first).to_contain_text("</q><script>alert(1)</script>")
    expect(page.locator(".options tr", has_text="prompt").first).to_contain_text("S3 metadata")
    assert dialogs == []


def test_an_id_is_copied_and_a_command_can_be_pasted(page: Page, completed: Job) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_job(page, completed)

    page.get_by_role("button", name="Copy: Job").click()

    expect(page.locator("#status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == completed.job_id
    expect(page.locator(".commands code")).to_contain_text("s3 cp")


@pytest.mark.parametrize("page", contrast_schemes(), indirect=True, ids=str)
def test_the_page_is_accessible_and_fits_a_phone(page: Page, completed: Job) -> None:
    open_job(page, completed)
    for summary in page.locator("summary").all():
        summary.click()
    expect(page.locator("details.receipt table")).to_be_visible()

    assert Axe().run(page).response["violations"] == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_its_permission_the_polls_have_no_times(account: Account, completed: Job) -> None:
    document = policy_document("reader", StackResources.of(account.stack))
    with user_with(account.cloud.engine, "a-board-reader", *document["Statement"]) as session:
        stack = replace(account.stack, session=session)
        allowed = Histories(stack).of_job(completed)
    for statement in document["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if one != "states:GetExecutionHistory"]
    with user_with(account.cloud.engine, "a-board-reader", *document["Statement"]) as session:
        refused = Histories(replace(account.stack, session=session)).of_job(completed)

    assert sum(len(execution.polls) for execution in allowed.executions) == completed.polls
    assert (list(refused.executions), refused.note) == ([], NOT_ALLOWED)
