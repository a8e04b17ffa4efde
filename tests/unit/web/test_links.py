"""The presigned addresses to which the board sends a browser: short-lived, and never a page of an uploader's."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from dropreel.domain.job import Charge, Job, JobStatus, VideoObject
from dropreel_cli.job_lists import JobLists
from dropreel_cli.web.site import LINK_SECONDS
from tests.support.command_stack import CommandStack
from tests.support.sample_jobs import IMAGE, job_with
from tests.unit.web.conftest import Board

NAME = 'évil "\r\nset-cookie: a=b;<b>.mp4'


def redirect(board: Board, path: str) -> tuple[str, dict[str, str]]:
    """Return the path and the query of the address to which a path leads."""
    answer = board.client.get(path)
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    parts = urlsplit(answer.headers["location"])
    return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}


@pytest.mark.parametrize(
    ("kind", "content_type", "is_download"),
    [
        ("JPEG", "image/jpeg", False),
        ("PNG", "image/png", False),
        ("WebP", "image/webp", False),
        ("HEIC", "application/octet-stream", True),
        (None, "application/octet-stream", True),
    ],
)
def test_an_image_is_shown_as_what_its_bytes_are_or_downloaded(
    board: Board, shop: CommandStack, kind: str | None, content_type: str, is_download: bool
) -> None:
    job = job_with(status=JobStatus.REJECTED, image=IMAGE._replace(key='a/page".html', format=kind))
    shop.put(job)

    _, query = redirect(board, f"/jobs/{job.job_id}/image")

    assert query["response-content-type"] == content_type
    assert ("response-content-disposition" in query) is is_download
    assert int(query["X-Amz-Expires"]) == LINK_SECONDS <= 600


def test_a_video_is_a_video_and_its_name_adds_no_header(board: Board, shop: CommandStack) -> None:
    video = VideoObject("videos", f"a/{NAME}", 9, "0" * 64, "a/receipt.json", version_id="v1")
    job = job_with(status=JobStatus.COMPLETED, charge=Charge.CHARGED, video=video)
    shop.put(job)

    _, shown = redirect(board, f"/jobs/{job.job_id}/video")
    _, downloaded = redirect(board, f"/jobs/{job.job_id}/video?download=1")

    assert shown["response-content-type"] == "video/mp4"
    assert shown["versionId"] == "v1"
    name = downloaded["response-content-disposition"].removeprefix("attachment; filename*=UTF-8''")
    assert name.isascii()
    assert not set(name) & set("\"\r\n;<> '")


def test_without_the_session_no_address_is_signed(board: Board, shop: CommandStack) -> None:
    job = job_with(status=JobStatus.REJECTED, image=IMAGE)
    shop.put(job)
    board.client.cookies.clear()

    answer = board.client.get(f"/jobs/{job.job_id}/image")

    assert answer.status_code == 403
    assert "location" not in answer.headers


@pytest.mark.parametrize(("job_id", "is_id"), [("0" * 24, True), ("x", False), ("a" * 3_000, False)])
def test_an_address_of_no_job_is_not_found(
    board: Board, monkeypatch: pytest.MonkeyPatch, job_id: str, is_id: bool
) -> None:
    """DynamoDB refuses a key of more than 2,048 bytes, which moto takes: what is no id is not asked for."""
    asked: list[str] = []

    def find_none(_: JobLists, ids: list[str]) -> Iterator[Job]:
        asked.extend(ids)
        return iter(())

    monkeypatch.setattr(JobLists, "jobs_of_ids", find_none)

    answer = board.client.get(f"/jobs/{job_id}")

    assert answer.status_code == 404
    assert asked == ([job_id] if is_id else [])
