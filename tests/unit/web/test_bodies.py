"""What a page may send: a small JSON object."""

import pytest

from dropreel_cli.web.bodies import MAX_BYTES
from tests.unit.web.conftest import Board

PATH = f"/jobs/{'0' * 24}/actions/resume"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b'"text"', 400),
        (b"null", 400),
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"a":' * 50_000, 400),
        (b"[" * 200_000, 400),
        (b'{"a": "' + b"a" * MAX_BYTES + b'"}', 413),
    ],
)
def test_a_body_that_is_no_small_json_object_is_refused(board: Board, body: bytes, status: int) -> None:
    answer = board.client.post(PATH, content=body, headers=JSON)

    assert answer.status_code == status
    assert "Nothing was done." in answer.json()["error"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_a_page_is_no_json(board: Board, kind: str) -> None:
    answer = board.client.post(PATH, content=b"{}", headers={"content-type": kind})

    assert answer.status_code == 415


def test_a_json_object_is_taken_whatever_its_values_are(board: Board) -> None:
    answer = board.client.post(PATH, json={"generation_id": {"a": 1}, "may_pay_twice": True, "é": None})

    assert (answer.status_code, answer.json()) == (404, {"error": "There is no such job."})
