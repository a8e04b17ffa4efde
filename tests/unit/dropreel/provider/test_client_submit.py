"""What the provider's client makes of the answer to a submission."""

import gzip
import json
from typing import Any

import pytest

from dropreel.provider.submit_answers import Accepted, Busy, KeyRefused, NoBalance, NotSent, Refused, Unknown
from tests.support.provider_calls import (
    ACCEPTED,
    CUTS,
    IMAGE_URL,
    KEY,
    SIGNATURE,
    UNREADABLE,
    assert_shows_no_secret,
    submit,
)
from tests.support.scripted_server import ScriptedServer, closed_port


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_answer_with_an_id_is_accepted(server: ScriptedServer, status):
    server.answers(status, ACCEPTED)

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("fields", [{}, {"status": None}, {"status": ""}])
def test_an_accepted_submission_without_a_status_is_created(server: ScriptedServer, fields):
    server.answers(200, {"id": "gen_1", **fields})

    assert submit(server.base_url) == Accepted("gen_1", "created")


def test_a_very_long_status_is_cut(server: ScriptedServer):
    server.answers(200, {"id": "gen_1", "status": "x" * 500_000})

    answer = submit(server.base_url)

    assert isinstance(answer, Accepted)
    assert len(answer.provider_status) < 1000


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
def test_a_4xx_is_a_refusal_with_the_providers_error_text(server: ScriptedServer, status):
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
def test_a_refusals_error_text_is_read_in_any_form(server: ScriptedServer, body, message):
    server.answers(400, body)

    assert submit(server.base_url) == Refused(400, message)


@pytest.mark.parametrize("charset", ["gbk", "GB18030", "big5", "shift_jis", "utf-8"])
@pytest.mark.parametrize("text", ["图片太暗", '{"message": "图片太暗"}'])
def test_an_error_text_is_read_in_the_charset_of_the_header(server: ScriptedServer, charset, text):
    text = text if charset in ("gbk", "GB18030", "utf-8") else text.replace("图片太暗", "太暗")
    server.answers(400, text.encode(charset), Content_Type=f"application/json; charset={charset}")

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert "太暗" in (answer.error_text or "")


@pytest.mark.parametrize("charset", ["idna", "zlib", "no-such", "rot13", "unicode_escape", "'; drop"])
def test_an_unknown_charset_is_ignored(server: ScriptedServer, charset):
    server.answers(400, b'{"error": "too dark"', Content_Type=f"text/plain; charset={charset}")

    assert submit(server.base_url) == Refused(400, '{"error": "too dark"')


def test_a_huge_refusal_is_cut(server: ScriptedServer):
    server.answers(400, b"too dark " * 300_000)

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert len(answer.error_text or "") == 1000


@pytest.mark.parametrize("header", [{}, {"Retry_After": "30"}, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}])
@pytest.mark.parametrize("text", ["client closed request", "busy, try again in 30 s", "insufficient balance", None])
@pytest.mark.parametrize("status", [408, 409, 425, 499])
def test_a_4xx_that_leaves_acceptance_open_may_have_been_paid(server: ScriptedServer, status, text, header):
    """Not even one that asks to come again: RFC 9110 lets any answer have a `Retry-After`."""
    server.answers(status, {"error": text, "retry_after": 30}, **header)

    assert submit(server.base_url) == Unknown(f"the provider answered {status}", text)


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
def test_no_balance_is_an_answer_of_its_own(server: ScriptedServer, status, body):
    server.answers(status, body, Retry_After="30")

    answer = submit(server.base_url)

    assert isinstance(answer, NoBalance)
    assert answer.status_code == status
    assert bool(answer.error_text) is bool(body)


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
def test_a_2xx_about_balance_that_looks_accepted_may_have_been_paid(server: ScriptedServer, body):
    server.answers(200, body)

    assert isinstance(submit(server.base_url), Unknown)


def test_a_text_about_balance_beside_an_id_was_paid(server: ScriptedServer):
    server.answers(200, {**ACCEPTED, "message": "balance exhausted"})

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("text", ["The prompt was flagged by moderation", "content policy violation"])
def test_a_403_for_content_is_not_a_refused_key(server: ScriptedServer, text):
    server.answers(403, {"error": text})

    assert submit(server.base_url) == Refused(403, text)


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
    assert_shows_no_secret(answer)


def test_a_refusal_with_a_cut_body_is_a_refusal(server: ScriptedServer):
    server.plays(b'HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\n{"error"')

    answer = submit(server.base_url)

    assert isinstance(answer, Refused)
    assert answer.status_code == 400


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_an_answer_of_its_own(server: ScriptedServer, status):
    server.answers(status, {"error": "no such key"})

    assert submit(server.base_url) == KeyRefused(status, "no such key")


@pytest.mark.parametrize(
    ("status", "header"),
    [(429, header) for header in ({}, {"Retry_After": ""})]
    + [(status, {"Retry_After": value}) for status in (429, 503) for value in ("30", "soon", "0")],
)
def test_a_busy_answer_has_the_providers_error_text(server: ScriptedServer, status, header):
    server.answers(status, {"error": {"message": "come back later"}}, **header)

    answer = submit(server.base_url)

    assert isinstance(answer, Busy)
    assert (answer.status_code, answer.error_text) == (status, "come back later")


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
def test_retry_after_in_the_body_counts_if_the_header_has_none(server: ScriptedServer, header, body, seconds):
    server.answers(429, body, **header)

    answer = submit(server.base_url)

    assert isinstance(answer, Busy)
    assert answer.retry_after == seconds


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry_After": "30"}, 30), ({"Retry_After": "0"}, 0)]
    + [({"Retry_After": "9999999"}, 86_400), ({"Retry_After": "9" * 5000}, 86_400)]
    + [({"Retry_After": invalid}, None) for invalid in ("-1", "1.5", "soon", "\u0661")]
    + [({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None)]
    + [
        ({"Retry_After": f"Wed, 21 Oct 2026 {time} GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, seconds)
        for time, seconds in (("07:28:40", 40), ("07:20:00", 0), ("09:28:00", 7200))
    ],
)
def test_a_busy_answer_has_the_seconds_of_retry_after(server: ScriptedServer, status, header, seconds):
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


@pytest.mark.parametrize("name", CUTS)
def test_an_answer_that_breaks_off_may_have_been_paid(server: ScriptedServer, name):
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert isinstance(submit(server.base_url), Unknown)
    assert len(server.requests) == 1


@pytest.mark.parametrize("second", [b"11", b"10, 11"])
def test_an_answer_with_two_lengths_may_have_been_paid(server: ScriptedServer, second):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: " + second + b"\r\n\r\n" + b"x" * 10)

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
def test_a_submission_to_an_unusable_url_was_never_sent(base_url):
    assert isinstance(submit(base_url), NotSent)


def test_a_compressed_answer_is_read(server: ScriptedServer):
    server.answers(200, gzip.compress(json.dumps(ACCEPTED).encode()), Content_Encoding="gzip")

    assert submit(server.base_url) == Accepted("gen_1", "created")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_whatever_the_answer_one_submission_is_one_request(server: ScriptedServer, status):
    server.answers(status, b"")

    submit(server.base_url)

    assert (len(server.requests), server.connections) == (1, 1)


@pytest.mark.parametrize(
    ("sends", "hangs", "text"),
    [
        (b"", False, "the connection was cut before an answer came"),
        (b"", True, "no answer came in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", False, "the connection was cut within the answer"),
    ],
)
def test_an_answer_that_is_lost_is_worded_plainly(server: ScriptedServer, sends, hangs, text):
    server.plays(sends, hangs=hangs)

    assert submit(server.base_url) == Unknown(text)


@pytest.mark.parametrize(
    ("base_url", "text"),
    [
        ("http://127.0.0.1:{port}", "no connection could be made"),
        ("https://does-not-exist.invalid", "its name could not be resolved"),
        ("nonsense", "its address cannot be used"),
    ],
)
def test_a_provider_that_is_not_reached_is_worded_plainly(base_url, text):
    assert submit(base_url.format(port=closed_port())) == NotSent(text)


def test_a_tls_handshake_that_failed_is_worded_plainly(server: ScriptedServer):
    assert submit(f"https://127.0.0.1:{server.port}") == NotSent("the TLS handshake failed")
