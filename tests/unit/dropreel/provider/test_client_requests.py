"""What the provider's client sends."""

import contextlib

import pytest

from dropreel.provider.client import ProviderClient
from dropreel.provider.submit_answers import Accepted, NotSent
from tests.support.provider_calls import ACCEPTED, IMAGE_URL, KEY, OPTIONS, poll, submit
from tests.support.scripted_server import ScriptedServer, closed_port


def test_a_submission_is_the_documented_post(server: ScriptedServer):
    server.answers(200, ACCEPTED)

    submit(server.base_url)

    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/videos/generate")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["connection"] == "close"
    assert request.json() == {
        "prompt": "Wellen – 海",
        "image_url": IMAGE_URL,
        "mode": "fast",
        "negative_prompt": "blur",
        "aspect_ratio": "16:9",
        "duration": 5,
        "cfg_scale": 0.5,
        "sound": True,
    }


def test_an_empty_negative_prompt_is_left_out(server: ScriptedServer):
    server.answers(200, ACCEPTED)

    ProviderClient(server.base_url, lambda: KEY).prepare(OPTIONS._replace(negative_prompt=""), IMAGE_URL).send()

    assert "negative_prompt" not in server.requests[0].json()


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
    ProviderClient(server.base_url, lambda: KEY).prepare(OPTIONS, IMAGE_URL)

    assert server.connections == 0


def test_the_key_is_read_before_the_submission_is_sent():
    def unreadable() -> str:
        raise PermissionError

    with pytest.raises(PermissionError):
        ProviderClient("http://127.0.0.1:1", unreadable).prepare(OPTIONS, IMAGE_URL)


def test_a_changed_key_is_used_for_the_next_call(server: ScriptedServer):
    server.answers(200, {"status": "created"})
    keys = iter(["old", "new"])
    provider = ProviderClient(server.base_url, lambda: next(keys))

    provider.poll("gen_1")
    provider.poll("gen_1")

    assert [request.headers["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_never_gets_the_key(server: ScriptedServer, monkeypatch, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers(200, ACCEPTED)

    assert submit(server.base_url) == Accepted("gen_1", "created")


def test_a_netrc_file_does_not_replace_the_key(server: ScriptedServer, monkeypatch, tmp_path):
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
        submission = provider.prepare(OPTIONS, IMAGE_URL)

    answer = NotSent("not even prepared") if submission is None else submission.send()

    assert isinstance(answer, NotSent)
    assert server.requests == []
