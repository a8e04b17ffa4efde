"""Which responses are a whole video."""

import gzip
import hashlib

import pytest

from dropreel.adapters import video_source
from dropreel.adapters.video_source import VideoSource
from dropreel.domain.errors import VideoFault
from tests.support.downloads import TARGET, fault_of, fetch
from tests.support.scripted_server import ScriptedServer, closed_port
from tests.support.tiny_video import boundaries, box, tiny_video

pytestmark = pytest.mark.usefixtures("_short_timeouts")


@pytest.mark.parametrize("length", [-1, 1, 100, 10_000_000])
def test_a_video_comes_as_it_is(server: ScriptedServer, length):
    server.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url, length=length)

    assert found == tiny_video()


def test_a_stream_counts_and_sums_what_it_gave(server: ScriptedServer):
    server.answers(200, tiny_video())

    _found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert stream.size == len(tiny_video())
    assert stream.sha256 == hashlib.sha256(tiny_video()).hexdigest()


def test_a_body_without_a_length_is_taken_if_its_boxes_are_whole(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\n\r\n" + tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()


def test_a_chunked_body_is_taken(server: ScriptedServer):
    half = len(tiny_video()) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (tiny_video()[:half], tiny_video()[half:], b""))
    server.plays(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()


def test_the_url_is_requested_once_unchanged_and_without_the_key(server: ScriptedServer):
    server.answers(200, tiny_video())

    fetch(server.base_url + TARGET, server.base_url)

    (request,) = server.requests
    assert (request.method, request.target) == ("GET", TARGET)
    assert "authorization" not in request.headers
    assert request.headers["accept-encoding"] == "identity"


def test_a_proxy_of_the_environment_is_not_used(server: ScriptedServer, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()


@pytest.mark.parametrize("status", [201, 202, 204, 206, 226, 300, 304, 403, 404, 410, 416, 500, 503])
def test_any_answer_but_200_is_a_fault(server: ScriptedServer, status):
    server.answers(status, b"" if status == 204 else tiny_video())

    assert str(status) in fault_of(server)


@pytest.mark.parametrize("length", [-1, 64, 100_000])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_body_shorter_than_it_says_is_a_fault(server: ScriptedServer, part, length):
    content = tiny_video()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    server.plays(head + content[: int(part * len(content))])

    assert fault_of(server, length=length)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_body_without_a_length_is_found_by_its_boxes(server: ScriptedServer, part):
    content = tiny_video()
    server.plays(b"HTTP/1.1 200 OK\r\n\r\n" + content[: int(part * len(content))])

    assert "cut short" in fault_of(server)


def test_a_body_without_a_length_cut_between_boxes_lacks_its_moov(server: ScriptedServer):
    content = tiny_video()
    server.plays(b"HTTP/1.1 200 OK\r\n\r\n" + content[: boundaries(content)[-2]])

    assert "moov" in fault_of(server)


def test_a_cut_chunk_is_a_fault(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + tiny_video()[:100])

    assert fault_of(server)


def test_a_body_that_stops_coming_is_a_fault(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + tiny_video()[:100], hangs=True)

    assert fault_of(server)


@pytest.mark.parametrize("body", [b"", b"<html>gone</html>", b'{"error": "expired"}'])
def test_a_200_that_is_no_video_is_a_fault(server: ScriptedServer, body):
    server.answers(200, body)

    assert fault_of(server)


def test_more_bytes_than_allowed_are_a_fault(server: ScriptedServer):
    server.answers(200, tiny_video())

    assert "MaxVideoBytes" in fault_of(server, max_bytes=len(tiny_video()) - 1)


def test_a_video_with_too_large_a_length_is_not_fetched(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n", hangs=True)

    assert fault_of(server, max_bytes=2000) == "the video is larger than 2,000 bytes (MaxVideoBytes)"
    assert not server.played_out


LENGTHS = {
    "with a length": (b"Content-Length: %d\r\n\r\n%b" % (len(tiny_video()), tiny_video()), len(tiny_video())),
    "without a length": (b"\r\n" + tiny_video(), None),
    "in chunks": (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(tiny_video()), tiny_video()), None),
    "packed": (
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(gzip.compress(tiny_video())), gzip.compress(tiny_video())),
        None,
    ),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_stream_has_a_length_only_if_it_is_known(server: ScriptedServer, name):
    answer, length = LENGTHS[name]
    server.plays(b"HTTP/1.1 200 OK\r\n" + answer)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length) == (tiny_video(), length)


def a_mebibyte_in_pieces(server: ScriptedServer) -> list[int]:
    content = tiny_video() + box(b"free", bytes(1024 * 1024 - len(tiny_video()) - 8))
    server.answers(200, content)
    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        pieces = list(iter(stream.read1, b""))
    assert b"".join(pieces) == content
    return [len(piece) // 1024 for piece in pieces]


def test_a_fast_video_is_read_in_ever_larger_pieces(server: ScriptedServer):
    assert a_mebibyte_in_pieces(server) == [64, 128, 256, 512, 64]


def test_a_slow_video_is_passed_on_in_small_pieces(server: ScriptedServer, monkeypatch):
    times = iter(range(0, 10_000, 2))
    monkeypatch.setattr(video_source, "monotonic", lambda: next(times))

    assert a_mebibyte_in_pieces(server) == [64] * 16


def test_only_the_last_piece_of_a_body_in_fragments_is_short(server: ScriptedServer):
    content = tiny_video() + box(b"free", bytes(64 * 1024 + 10 - len(tiny_video()) - 8))
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content[:-20]), content[-20:])

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        pieces = list(iter(stream.read1, b""))

    assert [len(piece) for piece in pieces] == [64 * 1024, 10]


def test_as_many_bytes_as_allowed_are_taken(server: ScriptedServer):
    server.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url, max_bytes=len(tiny_video()))

    assert len(found) == len(tiny_video())


def test_a_refused_connection_is_a_fault():
    address = f"http://127.0.0.1:{closed_port()}"

    with pytest.raises(VideoFault):
        fetch(address + TARGET, address)


def test_no_fault_contains_the_signature_of_the_url(server: ScriptedServer):
    faults = []
    server.answers(403, b"")
    faults.append(fault_of(server))
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    faults.append(fault_of(server))
    server.plays(b"")
    faults.append(fault_of(server))

    assert "5ec2e7" not in " ".join(faults)


QUICKTIME = tiny_video()[:4] + b"free" + tiny_video()[8:]
FRAMES = {
    "closed at its end": b"\r\n%b",
    "of no number": b"Content-Length: many\r\n\r\n%b",
    "below nought": b"Content-Length: -1\r\n\r\n%b",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n",
    "in chunks, and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n%x\r\n%b\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_strict_rules_hold_if_no_length_is_known(server: ScriptedServer, name):
    """A body that ended properly in chunks is no exception: who cut it into chunks may have got it cut already."""

    def played(content: bytes) -> None:
        frame = FRAMES[name]
        values = (len(content), content) if b"%x" in frame else (content,)
        server.plays(b"HTTP/1.1 200 OK\r\n" + frame % values)

    played(tiny_video())
    assert fetch(server.base_url + TARGET, server.base_url)[0] == tiny_video()
    for unusual in (tiny_video() + b"\n", tiny_video() + bytes(8), QUICKTIME):
        played(unusual)
        assert fault_of(server)


@pytest.mark.parametrize("written", ["{0}, {0}", "{0}\r\nContent-Length: {0}", " {0} ", "+{0}"])
def test_a_length_sent_twice_or_in_an_unusual_form_is_a_length(server: ScriptedServer, written):
    content = tiny_video() + b"\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {written.format(len(content))}\r\n\r\n"
    server.plays(head.encode() + content, hangs=True)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length, len(stream.warnings)) == (content, len(content), 1)


def test_two_lengths_that_do_not_agree_are_a_fault(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n" + tiny_video())

    assert "InvalidHeader" in fault_of(server)


SIZE = len(tiny_video())


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (203, None),
        (203, f"bytes 0-{SIZE - 1}/{SIZE}"),
        (206, f"bytes 0-{SIZE - 1}/{SIZE}"),
        (200, f"bytes 0-{SIZE - 1}/{SIZE}"),
    ],
)
def test_a_response_with_the_whole_video_is_taken_with_any_status(server: ScriptedServer, status, part):
    server.answers(status, tiny_video(), **({} if part is None else {"Content-Range": part}))

    assert fetch(server.base_url + TARGET, server.base_url)[0] == tiny_video()


@pytest.mark.parametrize("status", [200, 203, 206])
@pytest.mark.parametrize(
    "part",
    [
        f"bytes 0-{SIZE - 1}/{SIZE + 1}",
        f"bytes 1-{SIZE}/{SIZE + 1}",
        f"bytes 0-{SIZE}/{SIZE + 1}",
        f"bytes 0-{SIZE - 1}/*",
        f"bytes */{SIZE}",
        "bytes 0-1/2, 0-1/2",
        "",
    ],
)
def test_a_response_with_a_part_of_the_video_is_a_fault(server: ScriptedServer, status, part):
    server.answers(status, tiny_video(), **{"Content-Range": part})

    assert fault_of(server) == f"the video's address answered {status} with a part of the video"


def test_a_part_without_a_length_is_a_fault_too(server: ScriptedServer):
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-{SIZE - 1}/{SIZE + 9}\r\n\r\n"
    server.plays(head.encode() + tiny_video())

    assert fault_of(server) == "the video's address answered 206 with a part of the video"
