"""Which URLs are requested, over https with a valid certificate, and which are refused."""

import certifi
import pytest

from dropreel.domain.errors import VideoFault
from tests.support.downloads import CDN, TARGET, fetch
from tests.support.scripted_server import ScriptedServer, closed_port, scripted_server
from tests.support.tiny_video import tiny_video

pytestmark = pytest.mark.usefixtures("_short_timeouts")


@pytest.mark.parametrize("blank", [" ", "\t", "\n"])
def test_blanks_around_the_url_are_stripped(server: ScriptedServer, blank):
    server.answers(200, tiny_video())

    fetch(f"{blank}{server.base_url}{TARGET}{blank}", server.base_url)

    assert [request.target for request in server.requests] == [TARGET]


def test_a_video_is_fetched_over_https_without_the_key(cdn):
    running = cdn("cdn.example")
    running.answers(200, tiny_video())

    found, _stream = fetch(CDN, "https://api.nohuman.studio")

    assert found == tiny_video()
    (request,) = running.requests
    assert request.headers["host"] == "cdn.example"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("name", ["other.example", "example", "*.cdn.example", "cdn.example.evil", "8.8.8.8"])
def test_a_certificate_for_another_name_is_a_fault_before_any_request(cdn, name):
    running = cdn(name)
    running.answers(200, tiny_video())

    with pytest.raises(VideoFault, match="SSLError"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.connections == 1
    assert running.requests == []


def test_a_certificate_of_an_unknown_authority_is_a_fault(cdn, monkeypatch):
    running = cdn("cdn.example")
    running.answers(200, tiny_video())
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", certifi.where())

    with pytest.raises(VideoFault, match="SSLError"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/v.mp4",
        "ftp://cdn.example/v.mp4",
        "file:///etc/passwd",
        "//cdn.example/v.mp4",
        "/v.mp4",
        "v.mp4",
        "https://",
        "https:///v.mp4",
        "https://[::1/v.mp4",
        "https://" + "a" * 70 + ".example/v.mp4",
        "http://cdn.example:99999999/v.mp4",
        "https://cdn.example:99999999/v.mp4",
    ],
)
def test_a_url_that_is_not_https_or_no_url_is_a_fault(url):
    with pytest.raises(VideoFault):
        fetch(url, "https://api.nohuman.studio")


def test_plain_http_is_for_the_configured_origin_only(server: ScriptedServer):
    other_port = f"http://127.0.0.1:{closed_port()}"

    with pytest.raises(VideoFault, match="https"):
        fetch(server.base_url + TARGET, other_port)

    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "user:pw@127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_a_url_inside_the_function_is_not_connected_to(server: ScriptedServer, host):
    with pytest.raises(VideoFault):
        fetch(f"https://{host}:{server.port}{TARGET}", "https://api.nohuman.studio")

    assert server.connections == 0


@pytest.mark.parametrize("between", ["\\", "\\\\", "%5C", "", ":pw", "\\:pw"])
def test_a_url_that_only_looks_like_the_configured_origin_is_refused(server: ScriptedServer, between):
    """Programs disagree on where a host ends: what is checked has to be what is asked."""
    with scripted_server() as inside:
        inside.answers(200, tiny_video())
        server.answers(200, tiny_video())
        base = server.base_url.removeprefix("http://")

        with pytest.raises(VideoFault):
            fetch(f"http://127.0.0.1:{inside.port}{between}@{base}{TARGET}", server.base_url)

    assert inside.connections == server.connections == 0
