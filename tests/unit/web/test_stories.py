"""A job on a page of its own, with names and texts that try to break it."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest

from dropreel.adapters.job_table import JobTable
from dropreel.domain.forgetting import FORGOTTEN
from dropreel.domain.job import Charge, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.web import stories
from dropreel_cli.web.event_stream import update_message
from dropreel_cli.web.histories import NOT_KEPT
from dropreel_cli.web.selection import Selection
from tests.support.command_stack import CommandStack
from tests.support.sample_jobs import IMAGE, OPTIONS, VIDEO, job_with
from tests.unit.web.conftest import Board, now

NASTY = '<img src=x onerror=alert(1)> " \u202e \n ' + "x" * 1000
BEGAN = now() - timedelta(minutes=5)
COMPLETED = job_with(
    status=JobStatus.COMPLETED,
    charge=Charge.CHARGED,
    created_at=BEGAN,
    submitted_at=BEGAN + timedelta(seconds=5),
    updated_at=BEGAN + timedelta(seconds=60),
    video=VIDEO,
    polls=3,
    warnings=("It is small.",),
)


def page_of(board: Board, job_id: str = COMPLETED.job_id) -> str:
    answer = board.client.get(f"/jobs/{job_id}")
    assert answer.status_code == 200
    return answer.text


def put_receipt(shop: CommandStack, content: bytes) -> None:
    s3 = shop.stack.client("s3")
    s3.create_bucket(Bucket="videos")
    s3.put_object(Bucket="videos", Key=VIDEO.receipt_key, Body=content)


def test_a_completed_job_shows_all_that_is_known(board: Board, shop: CommandStack) -> None:
    shop.put(COMPLETED)
    shop.put_submission(COMPLETED, BEGAN + timedelta(seconds=4), generation_id="gen_1")

    text = page_of(board)

    assert f'src="/jobs/{COMPLETED.job_id}/video"' in text
    assert f'href="/jobs/{COMPLETED.job_id}/image"' in text
    assert f'href="/jobs/{COMPLETED.job_id}/receipt?download=1"' in text
    assert '<svg class="timeline" role="img"' in text
    assert "$0.47 reserved on" in text
    assert "It is small." in text
    assert NOT_KEPT in text
    for option, value in (("prompt", "a slow push in"), ("mode", "fast"), ("sound", "true")):
        assert f'<th scope="row">{option}</th><td>{value}</td><td>stack parameters</td>' in text
    assert 'data-copy="gen_1"' in text
    assert "aws s3 cp s3://videos/holiday/beach-gen_1.mp4 ." in text


def test_links_to_the_console_do_not_say_where_one_came_from(board: Board, shop: CommandStack) -> None:
    shop.put(COMPLETED)

    links = re.findall(r'<a href="https://[^"]+"[^>]*>', page_of(board))

    assert len(links) >= 4
    assert all('rel="noopener noreferrer"' in link for link in links)


def test_texts_of_others_are_shown_as_text(board: Board, shop: CommandStack) -> None:
    job = replace(
        COMPLETED,
        image=IMAGE._replace(key=NASTY[:900]),
        options=OPTIONS._replace(prompt=NASTY, negative_prompt=NASTY),
        option_sources={"prompt": NASTY},
        status=JobStatus.FAILED,
        video=None,
        provider_status=NASTY,
        warnings=(NASTY,),
        reason=Reason(ReasonCode.GENERATION_FAILED, NASTY, provider_error=NASTY),
    )
    shop.put(job)
    shop.put_submission(job, BEGAN, generation_id="gen_1", reason=job.reason)

    text = page_of(board)

    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert "\\u202e" in text
    assert " style=" not in text
    assert len(re.findall("<script", text)) == 1


def test_a_forgotten_job_shows_no_picture_and_no_video(board: Board, shop: CommandStack) -> None:
    shop.put(replace(COMPLETED, options=OPTIONS._replace(prompt=FORGOTTEN)))

    text = page_of(board)

    assert "<video" not in text
    assert "<img" not in text
    assert "the video in S3" not in text
    for path in ("video", "image", "receipt", "receipt/table"):
        assert board.client.get(f"/jobs/{COMPLETED.job_id}/{path}").status_code == 404


def test_other_jobs_of_the_image_are_listed_with_links(board: Board, shop: CommandStack) -> None:
    other = replace(COMPLETED, job_id="a" * 24, status=JobStatus.REJECTED, video=None)
    elsewhere = replace(other, job_id="b" * 24, image=IMAGE._replace(bucket="another"))
    shop.put(COMPLETED, other, elsewhere)

    text = page_of(board)

    assert f'href="/jobs/{"a" * 24}"' in text
    assert "b" * 24 not in text


def test_a_page_of_one_job_gets_that_job_alone(board: Board, shop: CommandStack) -> None:
    shop.put(COMPLETED, replace(COMPLETED, job_id="a" * 24))
    board.feed.look()
    selection = Selection.of({"job": COMPLETED.job_id})

    message = update_message(board.site, selection, 0, board.feed.snapshot)

    (card,) = message["cards"]
    assert card["job_id"] == COMPLETED.job_id
    assert 'data-part="timeline"' in card["html"]
    assert f'data-query="job={COMPLETED.job_id}"' in page_of(board)


@pytest.mark.parametrize(("path", "total"), [("/", "2 jobs"), ("/videos", "1 video"), ("/?text=nothing", "0 jobs")])
def test_a_page_of_jobs_gets_how_many_there_are(board: Board, shop: CommandStack, path: str, total: str) -> None:
    page = board.client.get(path).text
    query = dict(parse_qsl(unescape(page.partition('data-query="')[2].partition('"')[0])))
    shop.put(COMPLETED, replace(COMPLETED, job_id="a" * 24, status=JobStatus.REJECTED, video=None))
    board.feed.look()

    message = update_message(board.site, Selection.of(query), 0, board.feed.snapshot)

    assert message["total"].strip() == total


def test_two_pages_of_a_job_read_it_once(board: Board, shop: CommandStack, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put(COMPLETED)
    board.feed.look()
    monkeypatch.setattr(stories, "KEPT_SECONDS", 60.0)
    read: list[str] = []
    monkeypatch.setattr(JobTable, "history", lambda _self, job_id: read.append(job_id) or [])  # type: ignore[func-returns-value]
    selection = Selection.of({"job": COMPLETED.job_id})

    page_of(board)
    for _ in range(2):
        update_message(board.site, selection, 0, board.feed.snapshot)

    assert read == [COMPLETED.job_id]
    board.feed.refresh([replace(COMPLETED, polls=4, version=2)])
    update_message(board.site, selection, 0, board.feed.snapshot)
    assert len(read) == 2


def test_the_receipt_is_a_table(board: Board, shop: CommandStack) -> None:
    shop.put(COMPLETED)
    receipt = {"options": {"prompt": {"value": NASTY, "from": "sidecar"}}, "warnings": [], "timings": {"polls": 3}}
    put_receipt(shop, json.dumps(receipt).encode())

    answer = board.client.get(f"/jobs/{COMPLETED.job_id}/receipt/table")

    assert answer.status_code == 200
    assert '<th scope="row">timings: polls</th><td>3</td>' in answer.text
    assert "from sidecar" in answer.text
    assert "<img" not in answer.text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "not in the bucket any more"),
        (b"[1]", "not a JSON object"),
        (b"\xff{", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b" " * 300_000, "larger file"),
    ],
)
def test_a_receipt_that_is_none_says_so(board: Board, shop: CommandStack, content: bytes | None, why: str) -> None:
    shop.put(COMPLETED)
    put_receipt(shop, content or b"")
    if content is None:
        shop.stack.client("s3").delete_object(Bucket="videos", Key=VIDEO.receipt_key)

    answer = board.client.get(f"/jobs/{COMPLETED.job_id}/receipt/table")

    assert answer.status_code == 200
    assert why in answer.text


def test_a_file_that_is_no_picture_is_downloaded_and_not_shown(board: Board, shop: CommandStack) -> None:
    html = replace(COMPLETED, job_id="a" * 24, image=IMAGE._replace(key="page.html", format=None))
    shop.put(COMPLETED, html)

    picture, other = (
        board.client.get(f"/jobs/{job.job_id}/image").headers["location"] for job in (COMPLETED, html)
    )  # fmt: skip

    assert "response-content-type=image%2Fjpeg" in picture
    assert "response-content-disposition=attachment" in other


def test_a_job_that_is_not_there_is_not_found(board: Board) -> None:
    assert board.client.get(f"/jobs/{'c' * 24}").status_code == 404
