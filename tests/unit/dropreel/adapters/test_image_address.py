"""Reading an image's first bytes as the provider would."""

import pytest

from dropreel.adapters.image_address import UNREACHABLE, read_first_bytes
from tests.support.scripted_server import Script, ScriptedServer


@pytest.mark.parametrize("status", ["200 OK", "206 Partial Content"])
def test_an_image_that_can_be_read_is_no_fault(server: ScriptedServer, status: str):
    server.script = Script(f"HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xe0".encode("latin-1"))

    assert read_first_bytes(f"{server.base_url}/a.jpg?X-Amz-Signature=abc") is None

    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/a.jpg?X-Amz-Signature=abc")
    assert "authorization" not in request.headers
    assert request.headers["range"] == "bytes=0-31"


@pytest.mark.parametrize("status", [403, 404, 302, 503])
def test_any_other_answer_is_named_by_its_status(server: ScriptedServer, status: int):
    server.script = Script(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    assert read_first_bytes(f"{server.base_url}/a.jpg") == str(status)


@pytest.mark.parametrize(
    "script",
    [Script(resets=True), Script(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Script(b"nonsense\r\n\r\n")],
)
def test_no_answer_and_no_byte_are_unreachable(server: ScriptedServer, script: Script):
    server.script = script

    assert read_first_bytes(f"{server.base_url}/a.jpg") == UNREACHABLE


def test_an_address_that_cannot_be_used_is_unreachable():
    assert read_first_bytes("ftp://uploads/a.jpg") == UNREACHABLE
    assert read_first_bytes("http://127.0.0.1:1/a.jpg") == UNREACHABLE
