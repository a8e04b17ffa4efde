"""Who may use the board: the owner's browser, from the board's own pages."""

import asyncio
import time
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dropreel_cli.web.access import TICKET_SECONDS, ticket_address
from dropreel_cli.web.guard import Access, Guard
from tests.unit.web.conftest import HOST, ORIGIN, Board


def test_the_token_of_the_address_is_exchanged_for_a_cookie_of_this_board(board: Board) -> None:
    board.client.cookies.clear()

    answer = board.client.get(f"/videos?text=a%20b&token={board.access.token}")

    assert (answer.status_code, answer.headers["location"]) == (303, "/videos?text=a+b")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert board.access.token not in cookie


@pytest.mark.parametrize("address", ["/", "/?token=wrong", "/static/board.js", "/updates", "/nowhere"])
def test_without_the_token_nothing_is_shown(board: Board, address: str) -> None:
    board.client.cookies.clear()

    answer = board.client.get(address)

    assert answer.status_code == 403
    assert "whole address" in answer.text
    assert "shop" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:9999"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_site_can_neither_read_nor_change(board: Board, method: str, headers: dict[str, str]) -> None:
    answer = board.client.request(method, "/submissions/pause", headers=headers)

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_change_without_an_origin_is_refused(board: Board) -> None:
    del board.client.headers["origin"]

    assert board.client.get("/").status_code == 200
    assert board.client.post("/submissions/pause").status_code == 403


def test_every_answer_forbids_inline_script_and_frames(board: Board) -> None:
    for answer in (board.client.get("/"), board.client.get("/nowhere"), board.client.get("/static/board.js")):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_hosts_are_compared_with_their_port(board: Board) -> None:
    assert board.client.get("/", headers={"host": HOST.upper()}).status_code == 200
    assert ORIGIN in board.access.origins


# --- the token --------------------------------------------------------------------------------------------------------


def test_a_token_in_an_address_leads_to_no_other_host(board: Board) -> None:
    for path in ("//evil.example/a", "/%2Fevil.example/a", "/\\evil.example", "/%0d%0aset-cookie:%20a=b", "/a%3Fb%23c"):
        scope = {"type": "http", "method": "GET", "path": unquote(path), "headers": [], "query_string": b""}
        scope["query_string"] = f"token={board.access.token}".encode()
        scope["headers"] = [(b"host", HOST.encode())]
        answer = asyncio.run(_started(board.application, scope))
        location = dict(answer["headers"])[b"location"].decode()

        assert answer["status"] == 303
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
        assert not set("\r\n?#") & set(location)


async def _started(application: Any, scope: dict[str, Any]) -> dict[str, Any]:
    """Return the start of an answer of an ASGI application."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent[0]


def test_a_token_never_opens_by_a_request_that_changes_something(board: Board) -> None:
    board.client.cookies.clear()

    answer = board.client.post(f"/submissions/pause?token={board.access.token}")

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_ticket_opens_the_board_once(board: Board) -> None:
    board.client.cookies.clear()
    address = ticket_address(f"{ORIGIN}/?token={board.access.token}")
    assert board.access.token not in address

    first = board.client.get(address)
    board.client.cookies.clear()
    second = board.client.get(address)

    assert (first.status_code, second.status_code) == (303, 403)
    assert first.cookies[board.access.cookie] == board.access.session


def test_a_ticket_of_another_board_or_of_earlier_opens_nothing(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ticket_address(f"{ORIGIN}/?token=other").rpartition("=")[2]
    own = ticket_address(f"{ORIGIN}/?token={board.access.token}").rpartition("=")[2]
    at, nonce, signature = own.split("-")
    forged = [
        other,
        f"{int(at) + 60}-{nonce}-{signature}",
        f"{at}-{nonce}-",
        f"-{nonce}-{signature}",
        "²-a-b",
        "",
        "\ud800",
    ]

    assert [board.access.opens(ticket) for ticket in forged] == [False] * len(forged)
    monkeypatch.setattr(time, "time", lambda: int(at) + TICKET_SECONDS + 1)
    assert not board.access.opens(own)


@pytest.mark.parametrize("cookie", ["", "x", "session", "é", "a=b; c"])
def test_another_cookie_is_no_session(board: Board, cookie: str) -> None:
    board.client.cookies.clear()

    answer = board.client.get("/", headers=[(b"cookie", f"{board.access.cookie}={cookie}".encode())])

    assert answer.status_code == 403


def test_a_session_of_another_port_is_none_here(board: Board) -> None:
    board.client.cookies.clear()

    answer = board.client.get("/", headers={"cookie": f"dropreel-board-8301={board.access.session}"})

    assert answer.status_code == 403


# --- odd requests -----------------------------------------------------------------------------------------------------


def test_long_addresses_and_many_parameters_are_refused(board: Board) -> None:
    assert board.client.get("/?text=" + "a" * 9_000).status_code == 414
    assert board.client.get("/?" + "a=1&" * 60).status_code == 400
    assert board.client.get("/?text=" + "a" * 5_000).status_code == 200


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT"])
def test_a_method_that_no_route_has_changes_nothing(board: Board, method: str) -> None:
    asked = {"x-http-method-override": "POST", "access-control-request-method": "POST"}

    answer = board.client.request(method, "/submissions/pause", headers=asked)

    assert answer.status_code in (403, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_get_never_switches_or_decides_whatever_it_asks_to_be(board: Board) -> None:
    for asked in ({"x-http-method-override": "POST"}, {"x-method-override": "POST"}):
        assert board.client.get("/submissions/pause?_method=POST", headers=asked).status_code in (404, 405)


def test_a_preflight_of_another_site_gets_no_permission(board: Board) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}

    answer = board.client.options("/submissions/pause", headers=headers)

    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_origin_is_that_of_the_host_that_was_asked(board: Board) -> None:
    both = Access(frozenset({HOST, "localhost:8300"}), 8300, session=board.access.session)
    client = TestClient(Guard(board.application.app, both), base_url=ORIGIN, cookies={both.cookie: both.session})

    answer = client.post("/submissions/other", headers={"origin": "http://localhost:8300"})

    assert answer.status_code == 403


def test_a_socket_is_not_opened(board: Board) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, board.client.websocket_connect("/updates"):
        pass

    assert refused.value.code == 1008


@pytest.mark.parametrize(
    "path",
    [
        "/static/../guard.py",
        "/static/%2e%2e/guard.py",
        "/static/..%2fguard.py",
        "/static/..%5cguard.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/board.js%00.css",
        "/static/",
        "/jobs/..%2f..%2fetc%2fpasswd/thumbnail",
        "/jobs/%00/thumbnail",
        "/jobs/" + "a" * 4_000,
    ],
)
def test_no_path_leads_out_of_the_boards_files(board: Board, path: str) -> None:
    answer = board.client.get(path)

    assert answer.status_code in (404, 405, 502)
    assert "root:" not in answer.text
    assert "import" not in answer.text
    assert "Traceback" not in answer.text


# --- addresses of this machine ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "host", "is_own"),
    [
        ("192.0.2.7", "192.0.2.7:8300", True),
        ("192.0.2.7", "192.0.2.8:8300", False),
        ("192.0.2.7", "192.0.2.7:80", False),
        ("192.0.2.7", "evil.example:8300", False),
        ("::ffff:192.0.2.7", "192.0.2.7:8300", True),
        ("fe80::1%eth0", "[fe80::1]:8300", True),
        ("2001:db8::1", "[2001:DB8::1]:8300", True),
        (None, ":8300", False),
    ],
)
def test_on_all_addresses_the_one_that_was_reached_is_its_host(server: str | None, host: str, is_own: bool) -> None:
    everywhere = Access(frozenset({HOST}), 8300, on_all_addresses=True)

    assert everywhere.is_host(host, server) is is_own
    assert everywhere.is_host(HOST, server)
    assert not Access(frozenset({HOST}), 8300).is_host("192.0.2.7:8300", "192.0.2.7")
