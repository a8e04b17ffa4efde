import contextlib
import gzip
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dropreel.provider import client as provider_api
from dropreel.provider.answers import (
    Accepted,
    Busy,
    Finished,
    GenerationFailed,
    InProgress,
    KeyRefused,
    NoBalance,
    NotSent,
    PollAnswer,
    PollFault,
    Refused,
    SubmitAnswer,
    Unknown,
)
from dropreel.provider.client import ProviderClient
from tests.support.certificates import authority_file, server_context
from tests.support.kept_limits import kept_limits, limit_threads, open_files, open_files_settle_at
from tests.support.scripted_server import ScriptedServer, closed_port, scripted_server

KEY = "nh-secret-5f1d"
SIGNATURE = "X-Amz-Signature=5ec2e7f0a1b2c3d4"
IMAGE_URL = f"https://uploads.s3.amazonaws.com/beach.jpg?versionId=v1&{SIGNATURE}"
BODY = {"prompt": "Wellen – 海", "image_url": IMAGE_URL, "duration": 5, "cfg_scale": 0.5, "sound": True}
ACCEPTED = {"id": "gen_1", "model": "nohuman-x33", "status": "created", "poll_url": "/v1/videos/generations/gen_1"}


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_api, "SUBMIT_TIMEOUT", (2, 0.2))
    monkeypatch.setattr(provider_api, "POLL_TIMEOUT", (2, 0.2))


def submit(base_url: str) -> SubmitAnswer:
    return ProviderClient(base_url, lambda: KEY).prepare(BODY).send()


def poll(base_url: str, generation_id: str = "gen_1") -> PollAnswer:
    return ProviderClient(base_url, lambda: KEY).poll(generation_id)


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_a_submission_is_the_documented_post(server: ScriptedServer):
    server.answers(200, ACCEPTED)

    submit(server.base_url)

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/videos/generate")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.json() == BODY


def test_a_poll_is_the_documented_get(server: ScriptedServer):
    server.answers(200, {"status": "created"})

    poll(server.base_url)

    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", "/v1/videos/generations/gen_1", b"")
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_a_generation_id_stays_one_part_of_the_path(server: ScriptedServer):
    server.answers(200, {"status": "created"})

    poll(server.base_url, "../a b?c=d#e")

    assert server.requests[0].target == "/v1/videos/generations/..%2Fa%20b%3Fc%3Dd%23e"


def test_preparing_sends_nothing(server: ScriptedServer):
    ProviderClient(server.base_url, lambda: KEY).prepare(BODY)

    assert server.connections == 0


def test_the_key_is_read_before_the_submission_is_sent():
    def unreadable() -> str:
        raise PermissionError

    with pytest.raises(PermissionError):
        ProviderClient("http://127.0.0.1:1", unreadable).prepare(BODY)


def test_a_changed_key_is_used_for_the_next_call(server: ScriptedServer):
    server.answers(200, {"status": "created"})
    keys = iter(["old", "new"])
    provider = ProviderClient(server.base_url, lambda: next(keys))

    provider.poll("gen_1")
    provider.poll("gen_1")

    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_machine_never_sees_the_key(server: ScriptedServer, monkeypatch, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers(200, ACCEPTED)

    assert submit(server.base_url) == Accepted("gen_1", "created")


def test_a_netrc_of_the_machine_does_not_replace_the_key(server: ScriptedServer, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answers(200, ACCEPTED)

    submit(server.base_url)

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["two\nlines", "ключ", "with\x00nul"])
def test_a_key_that_no_header_can_hold_is_found_before_anything_is_sent(server: ScriptedServer, key):
    provider = ProviderClient(server.base_url, lambda: key)

    submission = None
    with contextlib.suppress(Exception):  # any fault will do here, because here nothing is claimed yet
        submission = provider.prepare(BODY)

    answer = NotSent("not even prepared") if submission is None else submission.send()

    assert isinstance(answer, NotSent)
    assert server.requests == []


# --- a submission's answer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_answer_with_an_id_is_accepted(server: ScriptedServer, status):
    server.answers(status, ACCEPTED)

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("told", [{}, {"status": None}, {"status": ""}])
def test_an_accepted_submission_without_a_status_is_created(server: ScriptedServer, told):
    server.answers(200, {"id": "gen_1", **told})

    assert submit(server.base_url) == Accepted("gen_1", "created")


def test_a_status_of_absurd_length_does_not_endanger_the_record(server: ScriptedServer):
    server.answers(200, {"id": "gen_1", "status": "x" * 500_000})

    answer = submit(server.base_url)

    assert isinstance(answer, Accepted)
    assert len(answer.provider_status) < 1000


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"<html>OK</html>",
    "half a JSON": b'{"id": "gen_1", "sta',
    "no object": b'["gen_1"]',
    "a text": b'"gen_1"',
    "not UTF-8": b'{"id": "\xff\xfe"',
    "nested without end": b"[" * 200_000,
    "an endless number": b'{"id": ' + b"1" * 5000 + b"}",
    "too long": b'{"id": "gen_1", "x": "' + b"x" * 1_100_000 + b'"}',
}
NO_ID: dict[str, Any] = {
    "no id": {"status": "created"},
    "null": {"id": None},
    "a number": {"id": 17},
    "an object": {"id": {"id": "gen_1"}},
    "empty": {"id": ""},
    "too long": {"id": "x" * 201},
    "a line end": {"id": "gen\n1"},
    "dots": {"id": ".."},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_success_that_cannot_be_read_may_have_been_paid(server: ScriptedServer, name):
    server.answers(200, UNREADABLE[name])

    assert isinstance(submit(server.base_url), Unknown)


@pytest.mark.parametrize("name", NO_ID)
def test_a_success_without_a_usable_id_may_have_been_paid(server: ScriptedServer, name):
    server.answers(200, NO_ID[name])

    assert isinstance(submit(server.base_url), Unknown)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 413, 415, 422, 451])
def test_a_4xx_is_a_refusal_in_the_providers_words(server: ScriptedServer, status):
    server.answers(status, {"error": {"code": "bad_image", "message": "too dark"}})

    assert submit(server.base_url) == Refused(status, "bad_image: too dark")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "too dark"}, "too dark"),
        ({"detail": "too dark"}, "too dark"),
        ({"message": "too dark"}, "too dark"),
        ({"error": None, "message": "too dark"}, "too dark"),
        (b"too\ndark", "too dark"),
        (b"<html><head><title>Oops</title></head><body><h1>too dark</h1></body></html>", "Oops too dark"),
        ("zu dunkel: Größe".encode("cp1252"), "zu dunkel: Größe"),
        ("\ufeffzu dunkel".encode(), "zu dunkel"),
        ("zu dunkel".encode("utf-16"), "zu dunkel"),
        (json.dumps({"error": "zu dunkel"}).encode("utf-32"), "zu dunkel"),
        (b'{"error": "half a pair: \\ud83d"}', "half a pair: \ufffd"),
        (b'{"error": "cut in the midd', '{"error": "cut in the midd'),
        (b"", None),
        (b"{}", None),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, None),
        (gzip.compress(b"too dark" * 100, mtime=0), None),
        (b"[" * 200_000, None),
    ],
)
def test_a_refusal_is_told_whatever_form_it_has(server: ScriptedServer, body, message):
    server.answers(400, body)

    assert submit(server.base_url) == Refused(400, message)


@pytest.mark.parametrize("charset", ["gbk", "GB18030", "big5", "shift_jis", "utf-8"])
@pytest.mark.parametrize("text", ["图片太暗", '{"message": "图片太暗"}'])
def test_words_are_read_in_the_charset_that_the_header_names(server: ScriptedServer, charset, text):
    text = text if charset in ("gbk", "GB18030", "utf-8") else text.replace("图片太暗", "太暗")
    server.answers(400, text.encode(charset), Content_Type=f"application/json; charset={charset}")

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert "太暗" in (answer.words or "")


@pytest.mark.parametrize("charset", ["idna", "zlib", "no-such", "rot13", "unicode_escape", "'; drop"])
def test_an_odd_charset_is_passed_over(server: ScriptedServer, charset):
    server.answers(400, b'{"error": "too dark"', Content_Type=f"text/plain; charset={charset}")

    assert submit(server.base_url) == Refused(400, '{"error": "too dark"')


def test_a_huge_refusal_is_cut(server: ScriptedServer):
    server.answers(400, b"too dark " * 300_000)

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert len(answer.words or "") == 1000


@pytest.mark.parametrize("header", [{}, {"Retry_After": "30"}, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}])
@pytest.mark.parametrize("words", ["client closed request", "busy, try again in 30 s", "insufficient balance", None])
@pytest.mark.parametrize("status", [408, 409, 425, 499])
def test_a_4xx_that_does_not_say_whether_it_was_taken_may_have_been_paid(server: ScriptedServer, status, words, header):
    """Not even one that asks to come again: RFC 9110 lets any answer have a `Retry-After`."""
    server.answers(status, {"error": words, "retry_after": 30}, **header)

    assert submit(server.base_url) == Unknown(f"the provider answered {status}", words)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, b""),
        (402, {"error": "Payment Required"}),
        (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}),
        (429, {"code": 1113, "msg": "Insufficient balance"}),
        (403, {"detail": "Insufficient credits"}),
        (400, {"message": "Your credit balance is too low"}),
        (200, {"code": 1008, "message": "insufficient balance"}),
        (202, b"Insufficient balance"),
    ],
)
def test_no_money_left_is_told_apart(server: ScriptedServer, status, body):
    server.answers(status, body, Retry_After="30")

    answer = submit(server.base_url)

    assert isinstance(answer, NoBalance)
    assert answer.status_code == status
    assert bool(answer.words) is bool(body)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "", "message": "insufficient balance"},
        {"id": 17, "message": "insufficient balance"},
        {"task_id": "gen_1", "message": "insufficient balance for another"},
        {"status": "created", "message": "insufficient balance"},
        b"<html>insufficient balance</html>",
        {"message": "balance: 12.5"},
    ],
)
def test_a_2xx_that_speaks_of_balance_and_may_have_made_something_may_have_been_paid(server: ScriptedServer, body):
    server.answers(200, body)

    assert isinstance(submit(server.base_url), Unknown)


def test_a_balance_that_is_told_with_an_id_was_paid(server: ScriptedServer):
    server.answers(200, {**ACCEPTED, "message": "balance exhausted"})

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("words", ["The prompt was flagged by moderation", "content policy violation"])
def test_a_403_for_what_is_shown_is_no_refused_key(server: ScriptedServer, words):
    server.answers(403, {"error": words})

    assert submit(server.base_url) == Refused(403, words)


@pytest.mark.parametrize("id_", [KEY, f"gen-{KEY}", f"gen?{SIGNATURE}0011"])
def test_an_id_that_holds_a_secret_is_not_kept(server: ScriptedServer, id_):
    server.answers(200, {"id": id_})

    assert isinstance(submit(server.base_url), Unknown)


@pytest.mark.parametrize("status", [f"created for {KEY}", f"created {IMAGE_URL}", "half \ud83d"])
def test_a_status_holds_no_secret_and_can_be_encoded(server: ScriptedServer, status):
    server.answers(200, {"id": "gen_1", "status": status})

    answer = submit(server.base_url)

    assert isinstance(answer, Accepted)
    answer.provider_status.encode()
    assert_tells_no_secret(answer)


def test_a_refusal_stays_one_if_its_body_breaks_off(server: ScriptedServer):
    server.plays(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\n{"error"')

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert answer.status_code == 400


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_apart(server: ScriptedServer, status):
    server.answers(status, {"error": "no such key"})

    assert submit(server.base_url) == KeyRefused(status, "no such key")


@pytest.mark.parametrize(
    ("status", "header"),
    [(429, header) for header in ({}, {"Retry_After": ""})]
    + [(status, {"Retry_After": value}) for status in (429, 503) for value in ("30", "soon", "0")],
)
def test_a_busy_provider_is_told_with_its_words(server: ScriptedServer, status, header):
    server.answers(status, {"error": {"message": "come back later"}}, **header)

    answer = submit(server.base_url)

    assert isinstance(answer, Busy)
    assert (answer.status_code, answer.words) == (status, "come back later")


@pytest.mark.parametrize("header", [{}, {"Retry_After": ""}, {"Retry_After": "  "}])
@pytest.mark.parametrize("body", [b"", b"<html>Service Unavailable</html>", {"error": "overloaded", "retry_after": 30}])
def test_a_503_without_retry_after_may_have_been_paid(server: ScriptedServer, header, body):
    """It is what a gateway says that has lost the server, perhaps after that took the request."""
    server.answers(503, body, **header)

    answer = submit(server.base_url)

    assert isinstance(answer, Unknown)
    assert answer.message == "the provider answered 503"


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ({}, {"error": "busy", "retry_after": 40}, 40),
        ({}, {"error": {"message": "busy", "retry_after": "40"}}, 40),
        ({}, {"retry_after": 1e9}, 86_400),
        ({}, {"retry_after": -5}, None),
        ({"Retry_After": "30"}, {"retry_after": 40}, 30),
        ({"Retry_After": "soon"}, {"retry_after": 40}, 40),
    ],
)
def test_the_body_says_when_to_come_again_where_the_header_does_not(server: ScriptedServer, header, body, seconds):
    server.answers(429, body, **header)

    answer = submit(server.base_url)

    assert isinstance(answer, Busy)
    assert answer.retry_after == seconds


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry_After": "30"}, 30), ({"Retry_After": "0"}, 0)]
    + [({"Retry_After": "9999999"}, 86_400), ({"Retry_After": "9" * 5000}, 86_400)]
    + [({"Retry_After": odd}, None) for odd in ("-1", "1.5", "soon", "\u0661")]
    + [({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None)]
    + [
        ({"Retry_After": f"Wed, 21 Oct 2026 {time} GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, seconds)
        for time, seconds in (("07:28:40", 40), ("07:20:00", 0), ("09:28:00", 7200))
    ],
)
def test_a_busy_provider_says_when_to_come_again(server: ScriptedServer, status, header, seconds):
    server.answers(status, b"", **header)

    assert submit(server.base_url) == Busy(status, seconds)


@pytest.mark.parametrize("status", [500, 501, 502, 504, 599])
def test_any_other_5xx_may_have_been_paid(server: ScriptedServer, status):
    server.answers(status, {"error": "oops: insufficient balance"}, Retry_After="30")

    assert submit(server.base_url) == Unknown(f"the provider answered {status}", "oops: insufficient balance")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_submission_is_not_followed(server: ScriptedServer, status):
    server.answers(status, b"", Location=f"{server.base_url}/elsewhere")

    assert isinstance(submit(server.base_url), Unknown)
    assert len(server.requests) == 1


CUTS = {
    "before the answer": (b"", False),
    "before the answer, with a reset": (b"", True),
    "inside the status line": (b"HTTP/1.1 20", False),
    "inside the headers": (b"HTTP/1.1 200 OK\r\nContent-Type: appl", False),
    "inside the headers, with a reset": (b"HTTP/1.1 200 OK\r\nContent-Type: appl", True),
    "inside the body": (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"id": "gen_1"}', False),
    "inside a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{", False),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", False),
    "not gzip": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", False),
}


@pytest.mark.parametrize("name", CUTS)
def test_an_answer_that_breaks_off_may_have_been_paid(server: ScriptedServer, name):
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert isinstance(submit(server.base_url), Unknown)
    assert len(server.requests) == 1


@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"])
def test_an_answer_that_does_not_come_in_time_may_have_been_paid(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert isinstance(submit(server.base_url), Unknown)
    assert len(server.requests) == 1


def test_a_refused_connection_was_never_sent():
    assert isinstance(submit(f"http://127.0.0.1:{closed_port()}"), NotSent)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_is_not_found_was_never_sent(scheme):
    assert isinstance(submit(f"{scheme}://does-not-exist.invalid"), NotSent)


def test_a_failed_tls_handshake_was_never_sent(server: ScriptedServer):
    assert isinstance(submit(f"https://127.0.0.1:{server.port}"), NotSent)
    assert server.requests == []


@pytest.mark.parametrize("base_url", ["ftp://127.0.0.1", "nonsense", "http://", "http://[::1"])
def test_an_address_that_nothing_can_be_sent_to_was_never_sent(base_url):
    assert isinstance(submit(base_url), NotSent)


def test_a_compressed_answer_is_read(server: ScriptedServer):
    server.answers(200, gzip.compress(json.dumps(ACCEPTED).encode()), Content_Encoding="gzip")

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_whatever_the_answer_one_submission_is_one_request(server: ScriptedServer, status):
    server.answers(status, b"")

    submit(server.base_url)

    assert (len(server.requests), server.connections) == (1, 1)


# --- a poll's answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["created", "processing"])
def test_a_generation_that_goes_on_is_in_progress(server: ScriptedServer, status):
    server.answers(200, {"id": "gen_1", "status": status})

    assert poll(server.base_url) == InProgress(status)


def test_a_completed_generation_has_an_address(server: ScriptedServer):
    server.answers(200, {"status": "completed", "result": {"url": "https://cdn.example/v.mp4?sig=1"}})

    assert poll(server.base_url) == Finished("https://cdn.example/v.mp4?sig=1")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"error": "no faces"}, "no faces"),
        ({"error": {"code": "moderation", "message": "no faces"}}, "moderation: no faces"),
        ({"error": None, "message": "no faces"}, "no faces"),
        ({"error": None, "failure_reason": "no faces"}, "no faces"),
        ({"error": {"detail": [{"loc": ["image"], "msg": "no faces"}]}}, "image: no faces"),
        ({}, "the provider gave no reason"),
        ({"prompt": "an unsafe road", "error": None}, "the provider gave no reason"),
    ],
)
def test_a_failed_generation_says_why(server: ScriptedServer, told, words):
    server.answers(200, {"status": "failed", **told})

    assert poll(server.base_url) == GenerationFailed(words)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 302, 204])
def test_a_poll_that_is_not_answered_with_200_tells_nothing(server: ScriptedServer, status):
    server.answers(status, b"", Location=f"{server.base_url}/elsewhere")

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert answer.status_code == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            502,
            b"<html><h1>Bad Gateway</h1></html>",
            PollFault("the provider answered 502: Bad Gateway", 502, "Bad Gateway"),
        ),
        (401, {"error": "no such key"}, PollFault("the provider answered 401: no such key", 401, "no such key")),
        (402, b"", PollFault("the provider answered 402", 402, None, no_balance=True)),
        (
            429,
            {"msg": "Out of credits"},
            PollFault("the provider answered 429: Out of credits", 429, "Out of credits", True),
        ),
        (429, {"msg": "Slow down"}, PollFault("the provider answered 429: Slow down", 429, "Slow down")),
        (500, {"msg": "Out of credits"}, PollFault("the provider answered 500: Out of credits", 500, "Out of credits")),
        (
            200,
            {"code": 1, "msg": "try later"},
            PollFault("the provider answered the unknown status 'None': 1: try later", 200, "1: try later"),
        ),
    ],
)
def test_a_poll_that_tells_nothing_keeps_the_providers_words(server: ScriptedServer, status, body, told):
    server.answers(status, body)

    assert poll(server.base_url) == told


def test_a_polls_words_are_cut_to_fit_the_job(server: ScriptedServer):
    server.answers(500, b"so " * 5000)

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert len(answer.message) < 350


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_poll_that_cannot_be_read_tells_nothing(server: ScriptedServer, name):
    server.answers(200, UNREADABLE[name])

    assert isinstance(poll(server.base_url), PollFault)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"status": "paused"},
        {"status": None},
        {"status": 1},
        {"status": ["failed"]},
        {"status": "FAILED"},
        {"status": "x" * 100_000},
        {"status": "completed"},
        {"status": "completed", "result": None},
        {"status": "completed", "result": "https://cdn.example/v.mp4"},
        {"status": "completed", "result": {"url": ""}},
        {"status": "completed", "result": {"url": 5}},
    ],
)
def test_a_state_that_the_document_does_not_know_tells_nothing(server: ScriptedServer, told):
    server.answers(200, told)

    answer = poll(server.base_url)

    assert isinstance(answer, PollFault)
    assert len(answer.message) < 200


@pytest.mark.parametrize("name", CUTS)
def test_a_poll_that_breaks_off_tells_nothing(server: ScriptedServer, name):
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert isinstance(poll(server.base_url), PollFault)


def test_a_poll_that_is_not_answered_in_time_tells_nothing(server: ScriptedServer):
    server.plays(hangs=True)

    assert isinstance(poll(server.base_url), PollFault)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "does-not-exist.invalid"])
def test_a_poll_that_finds_nobody_tells_nothing(host):
    assert isinstance(poll(f"http://{host}"), PollFault)


# --- a limit on the whole -------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
OPEN_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "a body that drips": (HEAD, b" " * 300),
    "a body without a length that drips": (OPEN_HEAD, b" " * 300),
    "a chunk that drips": (CHUNKED_HEAD + b"1000\r\n", b" " * 300),
    "chunks that drip": (CHUNKED_HEAD, b"1\r\n \r\n" * 50),
    "headers that drip": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 50),
    "a status that drips": (b"", b"HTTP/1.1 200 " + b"O" * 300),
    "an endless row of interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 15),
}
STALLED = [b"", b"HTTP/1.1 200", OPEN_HEAD, HEAD, HEAD + b'{"id": "gen_1"']
TOO_SLOW = "the provider's answer took longer than 0.1 seconds"


@pytest.fixture
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time runs out at once, while each piece may take long."""
    monkeypatch.setattr(provider_api, "SUBMIT_SECONDS", 0.1)
    monkeypatch.setattr(provider_api, "POLL_SECONDS", 0.1)
    _long_timeouts(monkeypatch)


def _long_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_api, "SUBMIT_TIMEOUT", (10, 10))
    monkeypatch.setattr(provider_api, "POLL_TIMEOUT", (10, 10))


def answered(head: bytes, body: object) -> bytes:
    return head + json.dumps(body).encode()


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("name", SLOW)
def test_a_submission_whose_answer_drips_may_have_been_paid(server: ScriptedServer, name):
    server.plays(*SLOW[name])

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("sends", STALLED)
def test_a_submission_whose_answer_stalls_may_have_been_paid(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
def test_an_answer_that_the_limit_has_cut_is_not_accepted_even_if_it_could_be_read(server: ScriptedServer):
    server.plays(answered(OPEN_HEAD, ACCEPTED), hangs=True)

    assert submit(server.base_url) == Unknown(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("name", SLOW)
def test_a_poll_whose_answer_drips_tells_nothing(server: ScriptedServer, name):
    server.plays(*SLOW[name])

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("sends", STALLED)
def test_a_poll_whose_answer_stalls_tells_nothing(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize(
    "told",
    [{"status": "failed"}, {"status": "created"}, {"status": "completed", "result": {"url": "https://a.example"}}],
)
def test_a_poll_that_the_limit_has_cut_tells_nothing_even_if_it_could_be_read(server: ScriptedServer, told):
    server.plays(answered(OPEN_HEAD, told), hangs=True)

    assert poll(server.base_url) == PollFault(TOO_SLOW)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_provider_whose_body_drips_is_busy(server: ScriptedServer, status, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server.sent = limits.expire_soon
    server.plays(b"HTTP/1.1 %d Busy\r\nRetry-After: 30\r\nContent-Length: 500\r\n\r\n" % status, b"x" * 300)

    assert submit(server.base_url) == Busy(status, 30)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_provider_whose_headers_the_limit_has_cut_does_not_say_when(server: ScriptedServer, status, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server.plays(b"HTTP/1.1 %d Busy\r\nRetry-After: 3" % status, hangs=True)
    server.sent = limits.expire_soon

    assert submit(server.base_url) == Busy(status, None)
    assert server.played_out == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_whose_body_drips_is_told_apart(server: ScriptedServer, status, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server.sent = limits.expire_soon
    server.plays(b"HTTP/1.1 %d No\r\nContent-Length: 500\r\n\r\n" % status, b"x" * 300)

    assert submit(server.base_url) == KeyRefused(status)
    assert server.played_out == 0


@pytest.mark.parametrize("length", [b"", b"Content-Length: 500\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_refusal_stays_one_if_its_body_drips(server: ScriptedServer, length, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server.plays(b"HTTP/1.1 400 Bad Request\r\n" + length + b"\r\n", b"0" * 300)
    server.sent = limits.expire_soon

    assert submit(server.base_url) == Refused(400, None)
    assert server.played_out == 0


def test_reading_the_key_does_not_count(server: ScriptedServer, monkeypatch):
    limits = kept_limits(monkeypatch, provider_api)
    server.answers(200, {"status": "created"})

    def key() -> str:
        assert limits.made == []
        return KEY

    assert ProviderClient(server.base_url, key).poll("gen_1") == InProgress("created")


@pytest.mark.parametrize("location", [b"http://[::1", b"\xff\xfe", b"http://", b"/elsewhere"])
def test_a_redirect_is_not_looked_into_however_odd(server: ScriptedServer, location):
    server.plays(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\n\r\n", hangs=True)

    assert submit(server.base_url) == Unknown("the provider answered 302")
    assert poll(server.base_url) == PollFault("the provider answered 302", 302)
    assert len(server.requests) == 2


def test_calls_leave_nothing_behind(server: ScriptedServer):
    before = open_files()

    for turn in range(10):
        server.answers((200, 429)[turn % 2], ACCEPTED)
        submit(server.base_url)
        poll(server.base_url)

    assert open_files_settle_at(before)
    assert limit_threads() == []


# --- over https ------------------------------------------------------------------------------------------------------


@pytest.fixture
def https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ScriptedServer]]:
    """Start a server with a certificate for the given name, which everybody reaches as localhost."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", authority_file(tmp_path))
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(scripted_server(server_context(tmp_path, name)))


def address(server: ScriptedServer) -> str:
    return f"https://localhost:{server.port}"


def test_the_key_goes_to_whom_the_certificate_names(https):
    server = https("localhost")
    server.answers(200, ACCEPTED)

    assert submit(address(server)) == Accepted("gen_1", "created")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_certificate_for_another_name_never_sees_the_key(https):
    server = https("api.nohuman.studio.evil")
    server.answers(200, ACCEPTED)

    assert isinstance(submit(address(server)), NotSent)
    assert isinstance(poll(address(server)), PollFault)
    assert (server.connections, server.requests) == (2, [])


@pytest.mark.parametrize("name", SLOW)
def test_a_submission_over_https_whose_answer_drips_may_have_been_paid(https, name, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server = https("localhost")
    server.plays(*SLOW[name])
    server.sent = limits.expire_soon

    assert submit(address(server)) == Unknown("the provider's answer took longer than 45 seconds")
    assert server.played_out == 0


def test_an_answer_over_https_that_the_limit_has_cut_is_not_accepted_even_if_it_could_be_read(https, monkeypatch):
    _long_timeouts(monkeypatch)
    limits = kept_limits(monkeypatch, provider_api)
    server = https("localhost")
    server.plays(answered(OPEN_HEAD, ACCEPTED), hangs=True)
    server.sent = limits.expire_soon

    assert submit(address(server)) == Unknown("the provider's answer took longer than 45 seconds")
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
def test_a_handshake_that_the_limit_has_cut_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"https://127.0.0.1:{silent.getsockname()[1]}"

        assert isinstance(submit(base_url), NotSent)
        assert poll(base_url) == PollFault(TOO_SLOW)


# --- what must not be told -------------------------------------------------------------------------------------------


def assert_tells_no_secret(*told: object) -> None:
    text = " ".join(f"{thing!r} {thing}" for thing in told)
    assert KEY not in text
    assert "5ec2e7" not in text


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_submission_tells_no_secret(server: ScriptedServer, name, caplog):
    caplog.set_level(logging.DEBUG)
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert_tells_no_secret(submit(server.base_url), caplog.text)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://does-not-exist.invalid", "https://127.0.0.1:1"])
def test_an_unreachable_provider_tells_no_secret(base_url, caplog):
    caplog.set_level(logging.DEBUG)

    assert_tells_no_secret(submit(base_url), poll(base_url), caplog.text)


def test_a_prepared_submission_does_not_show_what_it_holds():
    submission = ProviderClient("https://api.nohuman.studio", lambda: KEY).prepare(BODY)

    assert_tells_no_secret(submission)


REPEATS: list[Any] = [
    {"error": f"image_url {IMAGE_URL} could not be fetched"},
    {"detail": [{"loc": ["body", "image_url"], "msg": "unreachable", "input": IMAGE_URL}]},
    f"cannot fetch {IMAGE_URL}".encode(),
    f"<html><p>cannot fetch <a href='x'>{IMAGE_URL.replace('&', '&amp;')}</a></p></html>".encode(),
    {"error": quote(IMAGE_URL, safe="")},
    {"error": f"HTTPSConnectionPool: Max retries exceeded with url: {IMAGE_URL.partition('.com')[2]}"},
    {"error": f"the key {KEY} is not known"},
    f"Authorization: Bearer {KEY}".encode(),
    json.dumps({"error": json.dumps(BODY)}).encode(),
]


@pytest.mark.parametrize("body", REPEATS)
@pytest.mark.parametrize("status", [200, 202, 400, 401, 402, 403, 408, 422, 429, 500, 503])
def test_an_answer_that_repeats_what_we_sent_tells_no_secret(server: ScriptedServer, status, body, caplog):
    caplog.set_level(logging.DEBUG)
    server.answers(status, body, Retry_After="3")

    assert_tells_no_secret(submit(server.base_url), poll(server.base_url), caplog.text)


@pytest.mark.parametrize("body", REPEATS)
def test_a_failure_that_repeats_what_we_sent_tells_no_secret(server: ScriptedServer, body):
    said = body.decode() if isinstance(body, bytes) else body
    server.answers(200, {"status": "failed", "error": said})

    assert_tells_no_secret(poll(server.base_url))
    server.answers(200, {"status": said})
    assert_tells_no_secret(poll(server.base_url))
