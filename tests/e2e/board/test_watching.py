"""Watching jobs on the board and deciding about them: cards follow the stack without a reload."""

import json
import re

from playwright.sync_api import Locator, Page, expect

from dropreel.domain.job import Job, JobStatus
from tests.e2e.conftest import Account
from tests.e2e.made_jobs import CUT_AND_UNPAID, failed_job, unknown_job

SOON = 30_000
"""Milliseconds within which a job of the simulator ends."""


def card_of(page: Page, job: Job) -> Locator:
    return page.locator(f"#job-{job.job_id}")


def ask(page: Page, job: Job, verb: str) -> Locator:
    """Click a decision's button, and return the question."""
    button = card_of(page, job).get_by_role("button", name=verb)
    expect(button).to_be_visible(timeout=SOON)
    button.click()
    dialog = page.locator("#action-dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_an_image_that_is_dropped_elsewhere_becomes_a_card_and_a_video(account: Account, page: Page) -> None:
    key = account.new_key()

    account.put(key)

    card = page.locator(".card", has_text=key)
    expect(card.locator("video")).to_be_visible(timeout=SOON)
    expect(card.locator(".status")).to_have_text("completed")
    expect(card.locator(".facts")).to_contain_text("$0.47")
    total = page.locator("#total").inner_text()
    page.reload()
    assert page.locator("#total").inner_text() == total


def test_a_job_moves_with_its_polls_and_seconds_in_every_open_page(account: Account, page: Page) -> None:
    account.simulator.set_pace(created_seconds=1, processing_seconds=6)
    other = page.context.new_page()
    other.goto(page.url)
    key = account.new_key()

    account.put(key)

    for each in (page, other):
        card = each.locator(".card", has_text=key)
        expect(card.locator(".status")).to_have_text("generating", timeout=SOON)
        expect(card.locator(".facts")).to_contain_text(re.compile(r"\d polls?"), timeout=SOON)
        before = card.locator(".seconds").inner_text()
        expect(card.locator(".seconds")).not_to_have_text(before)
    expect(page.locator(".card", has_text=key).locator(".status")).to_have_text("completed", timeout=SOON)
    account.simulator.set_pace(created_seconds=0, processing_seconds=0)


def test_a_failed_job_is_resumed_by_a_click_and_its_price_is_on_the_button(account: Account, page: Page) -> None:
    job = failed_job(account)

    dialog = ask(page, job, "Resume")
    expect(card_of(page, job).get_by_role("button", name="Resume")).to_contain_text("$0")
    expect(dialog).to_contain_text("Costs nothing.")
    expect(dialog).to_contain_text(f"polls generation {job.generation_id} again")
    dialog.get_by_role("button", name="Resume").click()

    expect(dialog).to_be_hidden()
    expect(card_of(page, job).locator("video")).to_be_visible(timeout=SOON)
    assert len(account.submitted(job.image.key)) == 1
    account.simulator.set_pace(created_seconds=0, processing_seconds=0)


def test_an_unknown_job_adopts_only_a_generation_that_the_provider_knows(account: Account, page: Page) -> None:
    job = unknown_job(account)
    generation_id = str(account.submitted(job.image.key)[0]["id"])
    dialog = ask(page, job, "Adopt")
    adopt = dialog.get_by_role("button", name="Adopt")

    page.expected_faults = ["409"]  # type: ignore[attr-defined] # the browser writes a refused request to its console
    dialog.locator("input").fill("gen_of_nobody")
    adopt.click()
    expect(dialog.locator(".error")).to_be_visible(timeout=SOON)
    dialog.locator("input").fill(generation_id)
    adopt.click()

    expect(dialog).to_be_hidden(timeout=SOON)
    expect(card_of(page, job).locator("video")).to_be_visible(timeout=SOON)
    assert len(account.submitted(job.image.key)) == 1


def test_a_job_is_submitted_again_only_after_it_was_said_that_it_may_be_paid_twice(
    account: Account, page: Page
) -> None:
    job = unknown_job(account, CUT_AND_UNPAID)
    dialog = ask(page, job, "Resubmit")
    expect(dialog).to_contain_text("MAY PAY TWICE")
    submit = dialog.get_by_role("button", name="Resubmit for up to $0.47")

    submit.click()
    expect(dialog).to_be_visible()
    assert account.jobs_of(job.image.key)[0].status is JobStatus.UNKNOWN
    dialog.locator("input[type=checkbox]").check()
    submit.click()

    expect(dialog).to_be_hidden(timeout=SOON)
    expect(card_of(page, job).locator("video")).to_be_visible(timeout=SOON)


def test_abandoning_can_be_cancelled_and_then_ends_the_job(account: Account, page: Page) -> None:
    job = unknown_job(account, CUT_AND_UNPAID)
    ask(page, job, "Abandon").get_by_role("button", name="Cancel").click()
    assert account.jobs_of(job.image.key)[0].status is JobStatus.UNKNOWN
    dialog = ask(page, job, "Abandon")

    dialog.get_by_role("button", name="Abandon").click()

    expect(dialog).to_be_hidden(timeout=SOON)
    expect(card_of(page, job).locator(".status")).to_have_text("failed")


def test_pausing_stops_submissions_until_it_is_undone(account: Account, page: Page) -> None:
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("PAUSED", timeout=SOON)
    key = account.new_key()
    account.put(key)

    page.get_by_role("button", name="Unpause").click()
    dialog = page.locator("#action-dialog")
    expect(dialog).to_contain_text("to be submitted and paid")
    dialog.get_by_role("button", name="Let submissions start again").click()

    expect(page.locator("#notices")).not_to_contain_text("PAUSED", timeout=SOON)
    expect(page.locator(".card", has_text=key).locator("video")).to_be_visible(timeout=SOON)


def test_the_keyboard_stays_on_the_button_that_pauses(account: Account, page: Page) -> None:
    page.get_by_role("button", name="Pause", exact=True).focus()

    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Unpause")).to_be_focused(timeout=SOON)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused(timeout=SOON)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_focused(timeout=SOON)
    expect(page.locator("#notices")).not_to_contain_text("PAUSED", timeout=SOON)


def test_the_page_says_when_the_board_has_ended(account: Account, page: Page) -> None:
    page.route("**/updates*", lambda route: route.abort())
    page.expected_faults = ["Failed to load", "net::"]  # type: ignore[attr-defined]

    page.reload()

    expect(page.locator("body.offline")).to_be_attached()
    assert "dropreel board" in json.dumps(
        page.evaluate("getComputedStyle(document.body, '::after').content"), ensure_ascii=False
    )


def test_a_hidden_page_leaves_its_connection_to_others_and_catches_up(account: Account, page: Page) -> None:
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    key = account.new_key()
    account.put(key)
    account.ended(key)
    expect(page.locator(".card", has_text=key)).to_have_count(0)

    with page.expect_request("**/updates?*"):
        page.evaluate(hide, False)

    expect(page.locator(".card", has_text=key).locator(".status")).to_have_text("completed", timeout=SOON)
