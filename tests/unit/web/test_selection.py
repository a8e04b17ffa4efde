"""Search: by name, prompt and id, folder, status, day, and page by page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel_cli.web.selection import PAGE, Selection, folders_of, select
from tests.support.sample_jobs import IMAGE, OPTIONS, job_with

NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)


def job(number: int, key: str = "shop/a.jpg", **changes: Any) -> Job:
    return job_with(job_id=f"{number:024x}", image=IMAGE._replace(key=key), **{"created_at": NOON, **changes})


JOBS = [
    job(1, "shop/Café.jpg", generation_id="gen_x"),
    job(2, "shop/summer/b.jpg", status=JobStatus.FAILED, options=OPTIONS._replace(prompt="A SLOW turn")),
    job(3, "c.jpg", created_at=NOON - timedelta(days=1), options=None),
    job(4, "shop2/d.jpg", status=JobStatus.HELD),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3, 4]),
        ({"text": "CAFÉ"}, [1]),
        ({"text": "cafe\u0301"}, [1]),
        ({"text": "gen_X"}, [1]),
        ({"text": "slow TURN"}, [2]),
        ({"text": f"{3:024x}"}, [3]),
        ({"folder": "shop/"}, [1, 2]),
        ({"folder": "shop/summer/"}, [2]),
        ({"status": "held"}, [4]),
        ({"status": "no such status"}, [1, 2, 3, 4]),
        ({"day": "2026-11-11"}, [3]),
        ({"day": "<script>"}, []),
        ({"folder": "shop/", "status": "failed"}, [2]),
    ],
)
def test_a_search_finds_what_has_all_that_is_asked_for(query: dict[str, str], found: list[int]) -> None:
    page = select(JOBS, Selection.of(query))

    assert [int(each.job_id, 16) for each in page.jobs] == found


@pytest.mark.parametrize(
    ("asked", "number", "first"),
    [
        ("1", 1, 0),
        ("2", 2, PAGE),
        ("99999999999999999999", 3, 2 * PAGE),
        ("9" * 5000, 3, 2 * PAGE),
        ("-1", 1, 0),
        ("x", 1, 0),
        ("²", 1, 0),
        ("", 1, 0),
    ],
)
def test_a_page_that_is_not_there_is_the_nearest_one(asked: str, number: int, first: int) -> None:
    jobs = [job(n) for n in range(2 * PAGE + 1)]

    page = select(jobs, Selection.of({"page": asked}))

    assert (page.number, page.pages, page.total) == (number, 3, len(jobs))
    assert int(page.jobs[0].job_id, 16) == first


def test_an_address_has_only_what_is_asked_for() -> None:
    selection = Selection.of({"text": " a&b ", "status": "held", "page": "3"})

    assert selection.query() == "text=a%26b&status=held"
    assert selection.query(page=2) == "text=a%26b&status=held&page=2"
    assert Selection.of({}).query() == ""


def test_the_folders_with_the_most_images_are_offered() -> None:
    assert folders_of(JOBS) == ["shop/", "shop/summer/", "shop2/"]
    assert folders_of([*JOBS, job(5, "shop/x.jpg")], most=1) == ["shop/"]
