"""Redirects on the way to a video."""

import pytest

from tests.support.downloads import CDN, TARGET, fault_of, fetch
from tests.support.scripted_server import ScriptedServer
from tests.support.tiny_video import tiny_video

pytestmark = pytest.mark.usefixtures("_short_timeouts")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_three_times_and_no_more(server: ScriptedServer, status):
    server.answers(status, b"", Location=f"{server.base_url}/elsewhere")

    assert "more than 3 times" in fault_of(server)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "file:///etc/passwd",
        "ftp://example.com/video.mp4",
        "https://user:pw@example.com/",
        "https://example.com:8443/",
        "https://",
    ],
)
def test_a_redirect_to_a_forbidden_url_is_not_followed(server: ScriptedServer, location):
    server.answers(302, b"", Location=location)

    assert fault_of(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("headers", [{}, {"Location": ""}, {"Location": " "}])
def test_a_redirect_without_a_location_is_a_fault_at_once(server: ScriptedServer, status, headers):
    server.answers(status, b"", **headers)

    assert fault_of(server) == f"the video's address answered {status} and not where the video is"
    assert len(server.requests) == 1


def after_redirect(server: ScriptedServer, *headers: bytes) -> str:
    """Let the server redirect once with these headers, then send the video; return what was asked for then."""
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n"
    server.answers(200, tiny_video())
    server.afterwards = [server.script]
    server.plays(head + b"".join(header + b"\r\n" for header in headers) + b"\r\n")
    found, _stream = fetch(server.base_url + TARGET, server.base_url)
    assert found == tiny_video()
    assert len(server.requests) == 2
    return server.requests[1].target


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v/été à la mer.mp4".encode(), "/v/%C3%A9t%C3%A9%20%C3%A0%20la%20mer.mp4"),
        ("/v/海辺.mp4?sig=ü".encode(), "/v/%E6%B5%B7%E8%BE%BA.mp4?sig=%C3%BC"),
        ("/v/voilà".encode(), "/v/voil%C3%A0"),
        ("/v/Å…".encode(), "/v/%C3%85%E2%80%A6"),
        ("/v/été.mp4".encode("latin-1"), "/v/%E9t%E9.mp4"),
        (b"/v/%C3%A9t%C3%A9%20a.mp4?sig=a%2Fb%2Bc%3D", "/v/%C3%A9t%C3%A9%20a.mp4?sig=a%2Fb%2Bc%3D"),
        (b"/v/a b.mp4", "/v/a%20b.mp4"),
        (b"  /v/a.mp4\t ", "/v/a.mp4"),
        (b"/v/100%.mp4", "/v/100%25.mp4"),
        (b"/v/a|b^c`{d}.mp4", "/v/a%7Cb%5Ec%60%7Bd%7D.mp4"),
        (b"/v/~a-b_c.mp4", "/v/~a-b_c.mp4"),
        (b"other.mp4", "/v/other.mp4"),
        (b"../w/other.mp4?x=1", "/w/other.mp4?x=1"),
        (b"?x=1", "/v/gen_1.mp4?x=1"),
        (b"/v/a.mp4#t=0,5", "/v/a.mp4"),
        (b"/v/./b/../a.mp4", "/v/a.mp4"),
    ],
)
def test_an_unusual_location_is_resolved_as_browsers_do(server: ScriptedServer, location, target):
    assert after_redirect(server, b"Location: " + location) == target


@pytest.mark.parametrize("write", ["HTTP://127.0.0.1:{}/x", "//127.0.0.1:{}/x", "http://127.0.0.1:{}/x#fragment"])
def test_an_absolute_location_may_have_an_unusual_form(server: ScriptedServer, write):
    assert after_redirect(server, b"location: " + write.format(server.port).encode()) == "/x"


def test_of_two_locations_the_first_is_taken(server: ScriptedServer):
    assert after_redirect(server, b"Location: /first", b"Location: /first") == "/first"


def test_a_cookie_that_a_redirect_sets_is_sent_back(server: ScriptedServer):
    """Some edges redirect to the same address until they get their cookie back."""
    after_redirect(server, b"Set-Cookie: seen=yes; Path=/", b"Location: /v/a.mp4")

    assert "cookie" not in server.requests[0].headers
    assert server.requests[1].headers["cookie"] == "seen=yes"


def test_a_cookie_does_not_go_to_another_host(server: ScriptedServer, cdn):
    cookie = b"Set-Cookie: seen=yes; Path=/\r\n"
    server.plays(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + cookie + f"Location: {CDN}\r\n\r\n".encode())
    running = cdn("cdn.example")
    running.answers(200, tiny_video())

    fetch(server.base_url + TARGET, server.base_url)

    assert "cookie" not in running.requests[0].headers


def test_a_location_in_raw_utf_8_may_have_a_host_in_it(server: ScriptedServer, monkeypatch):
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        raise OSError

    server.plays("HTTP/1.1 302 Found\r\nLocation: https://bücher.example/été.mp4\r\n\r\n".encode())
    monkeypatch.setattr("dropreel.adapters.http.resolve_public", resolve)

    assert fault_of(server)
    assert asked == [("xn--bcher-kva.example", 443)]


def test_the_body_of_a_redirect_is_not_waited_for(server: ScriptedServer):
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/\r\n\r\n".encode(), hangs=True)

    assert "more than 3 times" in fault_of(server)
    assert server.played_out == 0


def test_a_redirect_to_https_is_followed_without_the_key(server: ScriptedServer, cdn):
    server.answers(307, b"", Location=CDN)
    running = cdn("cdn.example")
    running.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()
    assert "authorization" not in running.requests[0].headers
