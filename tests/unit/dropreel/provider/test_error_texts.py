"""An error text is found in a body of any form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.provider.error_texts import MAX_ERROR_TEXT, error_text, failure_text, retry_after_in
from tests.unit.dropreel.domain.test_redaction import API_KEY, URL, leaked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("no faces allowed", "no faces allowed"),
        ("two\nlines\t here", "two lines here"),
        ({"code": "moderation", "message": "no faces"}, "moderation: no faces"),
        ({"message": "no faces"}, "no faces"),
        ({"code": 17}, "17"),
        ({"error": "too dark"}, "too dark"),
        ({"error": {"code": "bad_image", "message": "too dark"}}, "bad_image: too dark"),
        ({"error": {"type": "invalid_request_error", "message": "too dark"}}, "invalid_request_error: too dark"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            "overloaded_error: Overloaded",
        ),
        ({"error": None, "message": "too dark"}, "too dark"),
        ({"error": "", "detail": "too dark"}, "too dark"),
        ({"error": True, "message": "too dark"}, "too dark"),
        ({"error": {"error": {"message": "too dark"}}}, "too dark"),
        ({"error": "Payment Required", "message": "top up first"}, "Payment Required; top up first"),
        ({"errors": ["too dark", "too small"]}, "too dark; too small"),
        ({"errors": [{"message": "too dark"}, {"message": "too small"}]}, "too dark; too small"),
        ({"code": 1102, "msg": "Insufficient balance"}, "1102: Insufficient balance"),
        (
            {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
            "base_resp: 1008: insufficient balance",
        ),
        ({"title": "Bad Request", "detail": "too dark", "status": 400}, "too dark; Bad Request"),
        (
            {"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]},
            "body.prompt: Field required",
        ),
        ({"prompt": ["may not be blank"]}, "prompt: may not be blank"),
        ({"error": '{"message": "too dark"}'}, "too dark"),
        ({"error": "<html><title>502</title><h1>Bad Gateway</h1></html>"}, "502 Bad Gateway"),
        (["too dark"], "too dark"),
        ({"error": "too dark", "message": "Too dark"}, "too dark"),
        (17, "17"),
    ],
)
def test_an_error_text_is_found_in_any_form(content, text):
    assert error_text(content) == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            "<!DOCTYPE html><html><title>503 Slow</title><style>b{}</style><h1>503 Slow</h1><hr>nginx<script>f()</script></html>",
            "503 Slow nginx",
        ),
        (
            "<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Slow &amp; steady</Message></Error>",
            "SlowDown Slow & steady",
        ),
        ("<p>cut in the midd", "cut in the midd"),
        ("<html><body", None),
        ("<html></html>", None),
    ],
)
def test_the_text_of_a_page_is_shown(page, text):
    assert error_text(page) == text


@pytest.mark.parametrize(
    "content", [None, "", " \n\t", {}, [], 0, False, {"error": None}, {"error": {}}, {"message": ""}, "…"]
)
def test_without_an_error_text_there_is_none(content):
    assert error_text(content) is None


@given(JSON | st.text(min_size=MAX_ERROR_TEXT))
def test_an_error_text_is_one_short_line_whatever_is_sent(content):
    for text in (error_text(content), failure_text(content)):
        if text is not None:
            text.encode()
            assert 0 < len(text) <= MAX_ERROR_TEXT
            assert len(text.splitlines()) == 1


def test_a_long_error_text_shows_that_it_was_cut():
    text = error_text("so " * 5000)

    assert text is not None
    assert len(text) == MAX_ERROR_TEXT
    assert text.endswith("…")


@pytest.mark.parametrize("depth", [5, 50, 50_000])
def test_an_error_may_be_nested_without_end(depth):
    content: object = "too dark"
    for _ in range(depth):
        content = {"error": content}

    assert error_text(content) == ("too dark" if depth == 5 else None)


@pytest.mark.parametrize(
    "form", ["cannot read {}", {"error": "{}"}, {"error": {"url": "{}"}}, {"detail": [{"input": "{}"}]}]
)
def test_an_error_text_contains_no_secret(form):
    def filled(part):
        if isinstance(part, dict):
            return {name: filled(value) for name, value in part.items()}
        return [filled(each) for each in part] if isinstance(part, list) else part.replace("{}", f"{URL} {API_KEY}")

    text = error_text(filled(form), (API_KEY, URL)) or ""

    assert not leaked(text)
    assert API_KEY not in text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"id": "gen_1", "status": "failed", "error": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": None, "message": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": None, "failure_reason": "no faces"}, "no faces"),
        ({"id": "gen_1", "status": "failed", "data": {"fail_reason": "no faces"}}, "no faces"),
        ({"id": "gen_1", "status": "failed", "error": {"code": 7}}, "7"),
        ({"id": "gen_1", "model": "nohuman-x33", "status": "failed", "prompt": "an unsafe road", "progress": 3}, None),
    ],
)
def test_a_failures_error_text_is_not_taken_from_the_request(content, text):
    assert failure_text(content) == text


INVALID_WAITS: tuple[Any, ...] = (-1, "soon", None, True, [], float("nan"), float("inf"), 1e300, "-3", "\u0661")


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ({"retry_after": 30}, 30),
        ({"retryAfter": "30"}, 30),
        ({"error": {"retry_after": 1.2}}, 2),
        ({"error": {"details": [{"retry-after": "20s"}]}}, 20),
        ({"retry_after_ms": 1500}, 2),
        ({"retry_after_seconds": "7.5 seconds"}, 8),
        ({"retry_after": 0}, 0),
        ({"retry_after": 10**9}, 10**9),
        *(({"retry_after": invalid}, None) for invalid in INVALID_WAITS),
        ("retry_after: 30", None),
        ({"error": "x"}, None),
        ([{"retry_after": 3}], 3),
    ],
)
def test_retry_after_is_found_in_the_body(content, seconds):
    assert retry_after_in(content) == seconds
