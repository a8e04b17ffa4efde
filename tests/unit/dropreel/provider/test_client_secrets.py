"""No answer and no log shows the API key or a presigned address."""

import json
import logging
from typing import Any
from urllib.parse import quote

import pytest

from dropreel.provider.client import ProviderClient
from tests.support.provider_calls import CUTS, IMAGE_URL, KEY, OPTIONS, assert_shows_no_secret, poll, submit
from tests.support.scripted_server import ScriptedServer


@pytest.mark.parametrize("name", CUTS)
def test_a_broken_answer_shows_no_secret(server: ScriptedServer, name, caplog):
    caplog.set_level(logging.DEBUG)
    sends, resets = CUTS[name]
    server.plays(sends, resets=resets)

    assert_shows_no_secret(submit(server.base_url), caplog.text)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://does-not-exist.invalid", "https://127.0.0.1:1"])
def test_an_unreachable_provider_shows_no_secret(base_url, caplog):
    caplog.set_level(logging.DEBUG)

    assert_shows_no_secret(submit(base_url), poll(base_url), caplog.text)


def test_a_prepared_submission_shows_no_secret():
    submission = ProviderClient("https://api.nohuman.studio", lambda: KEY).prepare(OPTIONS, IMAGE_URL)

    assert_shows_no_secret(submission)


REPEATS: list[Any] = [
    {"error": f"image_url {IMAGE_URL} could not be fetched"},
    {"detail": [{"loc": ["body", "image_url"], "msg": "unreachable", "input": IMAGE_URL}]},
    f"cannot fetch {IMAGE_URL}".encode(),
    f"<html><p>cannot fetch <a href='x'>{IMAGE_URL.replace('&', '&amp;')}</a></p></html>".encode(),
    {"error": quote(IMAGE_URL, safe="")},
    {"error": f"HTTPSConnectionPool: Max retries exceeded with url: {IMAGE_URL.partition('.com')[2]}"},
    {"error": f"the key {KEY} is not known"},
    f"Authorization: Bearer {KEY}".encode(),
    json.dumps({"error": json.dumps({"prompt": "Wellen – 海", "image_url": IMAGE_URL})}).encode(),
]


@pytest.mark.parametrize("body", REPEATS)
@pytest.mark.parametrize("status", [200, 202, 400, 401, 402, 403, 408, 422, 429, 500, 503])
def test_an_answer_that_repeats_the_request_shows_no_secret(server: ScriptedServer, status, body, caplog):
    caplog.set_level(logging.DEBUG)
    server.answers(status, body, Retry_After="3")

    assert_shows_no_secret(submit(server.base_url), poll(server.base_url), caplog.text)


@pytest.mark.parametrize("body", REPEATS)
def test_a_failure_that_repeats_the_request_shows_no_secret(server: ScriptedServer, body):
    text = body.decode() if isinstance(body, bytes) else body
    server.answers(200, {"status": "failed", "error": text})

    assert_shows_no_secret(poll(server.base_url))
    server.answers(200, {"status": text})
    assert_shows_no_secret(poll(server.base_url))
