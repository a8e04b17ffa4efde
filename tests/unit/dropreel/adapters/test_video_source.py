import gzip
import hashlib
import random
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import certifi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.adapters import video_source
from dropreel.adapters.video_source import VideoSource, VideoStream
from dropreel.domain.errors import VideoFault
from tests.support.certificates import authority_file, server_context
from tests.support.kept_limits import kept_limits, limit_threads, open_files, open_files_settle_at
from tests.support.scripted_server import ScriptedServer, closed_port, scripted_server
from tests.support.tiny_video import boundaries, box, tiny_video

TARGET = "/v/gen_1.mp4?sig=5ec2e7"


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (2, 0.2))


def fetch(url: str, base_url: str, max_bytes: int = 10_000_000, length: int = -1) -> tuple[bytes, VideoStream]:
    with VideoSource(base_url, max_bytes).open(url) as stream:
        found = b""
        while piece := stream.read(length):
            found += piece
        return found, stream


def fault_of(server: ScriptedServer, **options: Any) -> str:
    with pytest.raises(VideoFault) as caught:
        fetch(server.base_url + TARGET, server.base_url, **options)
    return str(caught.value)


# --- a whole video ---------------------------------------------------------------------------------------------------


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


def test_the_address_is_asked_once_as_it_stands_and_without_our_key(server: ScriptedServer):
    server.answers(200, tiny_video())

    fetch(server.base_url + TARGET, server.base_url)

    (request,) = server.requests
    assert (request.method, request.target) == ("GET", TARGET)
    assert "authorization" not in request.headers
    assert request.headers["accept-encoding"] == "identity"


def test_a_proxy_of_the_machine_is_not_used(server: ScriptedServer, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()


# --- no whole video --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 202, 204, 206, 226, 300, 304, 403, 404, 410, 416, 500, 503])
def test_any_answer_but_200_is_a_fault(server: ScriptedServer, status):
    server.answers(status, b"" if status == 204 else tiny_video())

    assert str(status) in fault_of(server)


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
def test_a_redirect_to_where_no_video_may_be_is_not_followed(server: ScriptedServer, location):
    server.answers(302, b"", Location=location)

    assert fault_of(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("headers", [{}, {"Location": ""}, {"Location": " "}])
def test_a_redirect_that_says_no_address_is_a_fault_at_once(server: ScriptedServer, status, headers):
    server.answers(status, b"", **headers)

    assert fault_of(server) == f"the video's address answered {status} and not where the video is"
    assert len(server.requests) == 1


@pytest.mark.parametrize("length", [-1, 64, 100_000])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_body_shorter_than_it_says_is_a_fault(server: ScriptedServer, part, length):
    content = tiny_video()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    server.plays(head + content[: int(part * len(content))])

    assert fault_of(server, length=length)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_body_without_a_length_is_told_by_its_boxes(server: ScriptedServer, part):
    content = tiny_video()
    server.plays(b"HTTP/1.1 200 OK\r\n\r\n" + content[: int(part * len(content))])

    assert "cut short" in fault_of(server)


def test_a_body_without_a_length_cut_between_two_boxes_is_told_by_its_missing_moov(server: ScriptedServer):
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


def test_a_video_that_says_it_is_too_large_is_not_fetched(server: ScriptedServer):
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n", hangs=True)

    assert fault_of(server, max_bytes=2000) == "the video is larger than 2,000 bytes (MaxVideoBytes)"
    assert not server.played_out


LENGTHS = {
    "told": (b"Content-Length: %d\r\n\r\n%b" % (len(tiny_video()), tiny_video()), len(tiny_video())),
    "not told": (b"\r\n" + tiny_video(), None),
    "in chunks": (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(tiny_video()), tiny_video()), None),
    "packed": (
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
        % (len(gzip.compress(tiny_video())), gzip.compress(tiny_video())),
        None,
    ),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_stream_tells_its_length_only_where_it_is_known(server: ScriptedServer, name):
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


def test_a_video_that_comes_fast_is_read_in_ever_larger_pieces(server: ScriptedServer):
    assert a_mebibyte_in_pieces(server) == [64, 128, 256, 512, 64]


def test_a_video_that_comes_slowly_is_passed_on_in_small_pieces(server: ScriptedServer, monkeypatch):
    times = iter(range(0, 10_000, 2))
    monkeypatch.setattr(video_source, "monotonic", lambda: next(times))

    assert a_mebibyte_in_pieces(server) == [64] * 16


def test_no_piece_but_the_last_is_short_where_the_body_comes_in_dribs(server: ScriptedServer):
    content = tiny_video() + box(b"free", bytes(64 * 1024 + 10 - len(tiny_video()) - 8))
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content[:-20]), content[-20:])

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        pieces = list(iter(stream.read1, b""))

    assert [len(piece) for piece in pieces] == [64 * 1024, 10]


def test_as_many_bytes_as_allowed_are_taken(server: ScriptedServer):
    server.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url, max_bytes=len(tiny_video()))

    assert len(found) == len(tiny_video())


def test_what_unpacks_to_more_than_allowed_is_a_fault(server: ScriptedServer):
    server.answers(200, gzip.compress(tiny_video() + bytes(3_000_000)), Content_Encoding="gzip")

    assert fault_of(server, max_bytes=1_000_000)


def test_a_refused_connection_is_a_fault():
    address = f"http://127.0.0.1:{closed_port()}"

    with pytest.raises(VideoFault):
        fetch(address + TARGET, address)


def test_no_fault_tells_the_signature_of_the_address(server: ScriptedServer):
    told = []
    server.answers(403, b"")
    told.append(fault_of(server))
    server.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    told.append(fault_of(server))
    server.plays(b"")
    told.append(fault_of(server))

    assert "5ec2e7" not in " ".join(told)


# --- odd answers of real servers -------------------------------------------------------------------------------------

QUICKTIME = tiny_video()[:4] + b"free" + tiny_video()[8:]
DEFLATE = zlib.compressobj(wbits=-15)
BARE_DEFLATE = DEFLATE.compress(tiny_video()) + DEFLATE.flush()
PACKED = {
    # What the header says, and what is sent.
    "gzip": ("gzip", gzip.compress(tiny_video())),
    "gzip by its old name": ("x-gzip", gzip.compress(tiny_video())),
    "gzip in capitals": ("GZIP", gzip.compress(tiny_video())),
    "gzip in two members": ("gzip", gzip.compress(tiny_video()[:500]) + gzip.compress(tiny_video()[500:])),
    "gzip with padding": ("gzip", gzip.compress(tiny_video()) + bytes(100)),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(tiny_video()))),
    "gzip, and one that is none": ("gzip, aws-chunked", gzip.compress(tiny_video())),
    "deflate": ("deflate", zlib.compress(tiny_video())),
    "bare deflate": ("deflate", BARE_DEFLATE),
}
FALSE_ENCODINGS = [
    "gzip",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "gzip, br",
    "identity",
    "none",
    "utf-8",
    "aws-chunked",
    "",
]


@pytest.mark.parametrize("tells_its_length", [True, False])
@pytest.mark.parametrize("name", PACKED)
def test_a_body_that_is_packed_is_unpacked(server: ScriptedServer, name, tells_its_length):
    encoding, body = PACKED[name]
    length = f"Content-Length: {len(body)}\r\n" if tells_its_length else ""
    server.plays(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n{length}\r\n".encode() + body)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length) == (tiny_video(), None)


@pytest.mark.parametrize("encoding", FALSE_ENCODINGS)
@pytest.mark.parametrize("content", [tiny_video(), QUICKTIME], ids=["MP4", "QuickTime"])
def test_an_encoding_that_is_not_true_is_passed_over(server: ScriptedServer, encoding, content):
    server.answers(200, content, Content_Encoding=encoding)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length) == (content, len(content))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_body_under_a_false_encoding_is_held_to_its_length(server: ScriptedServer, part):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(tiny_video())}\r\n\r\n".encode()
    server.plays(head + tiny_video()[: int(part * len(tiny_video()))])

    assert "broke off" in fault_of(server)


@pytest.mark.parametrize("name", [name for name in PACKED if name != "gzip with padding"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_packed_body_that_was_packed_from_a_part_is_a_fault(server: ScriptedServer, name, part):
    encoding, body = PACKED[name]
    server.answers(200, body[: int(part * len(body))], Content_Encoding=encoding)

    assert fault_of(server)


@pytest.mark.parametrize("cut", [1, 8, 9, 500])
def test_a_packed_body_that_ends_too_soon_is_a_fault_even_if_a_player_might_open_it(server: ScriptedServer, cut):
    body = gzip.compress(tiny_video() + box(b"free", random.Random(1).randbytes(5_000)))
    server.answers(200, body[:-cut], Content_Encoding="gzip")

    assert fault_of(server) == "the download could not be unpacked: it ends too soon"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>gone</html>", b'{"error": "expired"}', gzip.compress(b"<html>gone</html>", mtime=0)]
)
def test_an_encoding_makes_no_video_of_what_is_none(server: ScriptedServer, encoding, body):
    server.answers(200, body, Content_Encoding=encoding)

    assert fault_of(server)


def test_a_damaged_packed_body_is_a_fault(server: ScriptedServer):
    body = bytearray(gzip.compress(tiny_video()))
    body[-100] ^= 255
    server.answers(200, bytes(body), Content_Encoding="gzip")

    assert "could not be unpacked" in fault_of(server)


def test_what_is_unpacked_comes_in_pieces_of_bounded_size(server: ScriptedServer):
    content = tiny_video() + box(b"free", bytes(9_000_000))
    server.answers(200, gzip.compress(content), Content_Encoding="gzip")

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        pieces = list(iter(stream.read1, b""))

    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1024 * 1024


@pytest.mark.parametrize("behind", [b"\n", bytes(8), b"<!-- served by edge 7 -->"])
def test_an_odd_video_that_was_packed_is_taken_where_its_length_was_known(server: ScriptedServer, behind):
    body = gzip.compress(tiny_video() + behind)
    server.answers(200, body, Content_Encoding="gzip")
    _found, stream = fetch(server.base_url + TARGET, server.base_url)
    assert len(stream.warnings) == 1

    server.plays(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body)
    assert "damaged" in fault_of(server)


FRAMES = {
    "closed at its end": b"\r\n%b",
    "of no number": b"Content-Length: many\r\n\r\n%b",
    "below nought": b"Content-Length: -1\r\n\r\n%b",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n",
    "in chunks, and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n%x\r\n%b\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMES)
def test_the_strict_rules_stay_where_no_length_was_known(server: ScriptedServer, name):
    """A body that ended properly in chunks is no exception: who cut it into chunks may have got it cut already."""

    def played(content: bytes) -> None:
        frame = FRAMES[name]
        values = (len(content), content) if b"%x" in frame else (content,)
        server.plays(b"HTTP/1.1 200 OK\r\n" + frame % values)

    played(tiny_video())
    assert fetch(server.base_url + TARGET, server.base_url)[0] == tiny_video()
    for odd in (tiny_video() + b"\n", tiny_video() + bytes(8), QUICKTIME):
        played(odd)
        assert fault_of(server)


@pytest.mark.parametrize("written", ["{0}, {0}", "{0}\r\nContent-Length: {0}", " {0} ", "+{0}"])
def test_a_length_that_is_written_twice_or_oddly_is_a_length(server: ScriptedServer, written):
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
def test_an_answer_with_all_of_the_video_is_taken_whatever_it_is_called(server: ScriptedServer, status, part):
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
def test_an_answer_with_a_part_of_the_video_is_a_fault(server: ScriptedServer, status, part):
    server.answers(status, tiny_video(), **{"Content-Range": part})

    assert fault_of(server) == f"the video's address answered {status} with a part of the video"


def test_a_part_without_a_length_is_a_fault_too(server: ScriptedServer):
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-{SIZE - 1}/{SIZE + 9}\r\n\r\n"
    server.plays(head.encode() + tiny_video())

    assert fault_of(server) == "the video's address answered 206 with a part of the video"


# --- redirects as real servers write them ----------------------------------------------------------------------------


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
def test_an_odd_location_leads_to_where_a_browser_would_go(server: ScriptedServer, location, target):
    assert after_redirect(server, b"Location: " + location) == target


@pytest.mark.parametrize("write", ["HTTP://127.0.0.1:{}/x", "//127.0.0.1:{}/x", "http://127.0.0.1:{}/x#fragment"])
def test_an_absolute_location_may_be_written_oddly(server: ScriptedServer, write):
    assert after_redirect(server, b"location: " + write.format(server.port).encode()) == "/x"


def test_of_two_locations_the_first_is_taken(server: ScriptedServer):
    assert after_redirect(server, b"Location: /first", b"Location: /first") == "/first"


def test_a_cookie_that_a_redirect_sets_comes_along(server: ScriptedServer):
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


def test_a_location_in_raw_utf_8_may_name_a_host_in_it(server: ScriptedServer, monkeypatch):
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        raise OSError

    server.plays("HTTP/1.1 302 Found\r\nLocation: https://bücher.example/été.mp4\r\n\r\n".encode())
    monkeypatch.setattr("dropreel.adapters.public_internet.public_addresses", resolve)

    assert fault_of(server)
    assert asked == [("xn--bcher-kva.example", 443)]


@pytest.mark.parametrize("blank", [" ", "\t", "\n"])
def test_blanks_around_the_address_are_no_part_of_it(server: ScriptedServer, blank):
    server.answers(200, tiny_video())

    fetch(f"{blank}{server.base_url}{TARGET}{blank}", server.base_url)

    assert [request.target for request in server.requests] == [TARGET]


# --- a limit on the whole -------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
OPEN_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, tuple[bytes, bytes]] = {
    "a body that drips": (HEAD, bytes(300)),
    "a body without a length that drips": (OPEN_HEAD, bytes(300)),
    "a chunk that drips": (CHUNKED_HEAD + b"1000\r\n", bytes(300)),
    "chunks that drip": (CHUNKED_HEAD, b"".join(b"1\r\n%c\r\n" % byte for byte in tiny_video()[:50])),
    "the length of a chunk that drips": (CHUNKED_HEAD, b"0" * 300),
    "headers that drip": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 50),
    "a status that drips": (b"", b"HTTP/1.1 200 " + b"O" * 300),
    "a body that drips after a good start": (HEAD + tiny_video()[:500], bytes(300)),
}


@pytest.fixture
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time runs out at once, while each piece may take long."""
    monkeypatch.setattr(video_source, "DOWNLOAD_SECONDS", 0.1)
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_drip_is_given_up(server: ScriptedServer, name):
    sends, drips = SLOW[name]
    server.plays(sends, drips)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200", HEAD, OPEN_HEAD, HEAD + tiny_video()[:500]])
def test_a_stall_is_given_up(server: ScriptedServer, sends):
    server.plays(sends, hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


def test_a_stall_half_way_tells_how_far_it_came(server: ScriptedServer, monkeypatch):
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))
    limits = kept_limits(monkeypatch, video_source)
    start = tiny_video() + box(b"free", bytes(100_000))
    server.plays(CHUNKED_HEAD + b"%x\r\n%b\r\n" % (len(start), start), hangs=True)
    server.sent = limits.expire_soon

    assert fault_of(server) == "the download took longer than 800 seconds and was given up after 65,536 bytes"
    assert server.played_out == 0


@pytest.mark.usefixtures("_short_limit")
def test_a_body_that_the_limit_has_cut_is_no_whole_video_even_if_its_boxes_are_whole(server: ScriptedServer):
    server.plays(OPEN_HEAD + tiny_video(), hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.played_out == 0


def test_the_limit_is_for_all_redirects_together(server: ScriptedServer, monkeypatch):
    monkeypatch.setattr(video_source, "DOWNLOAD_SECONDS", 0.2)
    monkeypatch.setattr(video_source, "DOWNLOAD_TIMEOUT", (10, 10))
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/\r\nX: ".encode(), b"y" * 10 + b"\r\n\r\n")

    assert "took longer than 0.2 seconds" in fault_of(server)


@pytest.mark.usefixtures("_short_limit")
def test_an_address_that_the_limit_has_cut_is_not_followed(server: ScriptedServer):
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/else".encode(), hangs=True)

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert server.connections == 1


def test_the_body_of_a_redirect_is_not_waited_for(server: ScriptedServer):
    server.plays(f"HTTP/1.1 302 Found\r\nLocation: {server.base_url}/\r\n\r\n".encode(), hangs=True)

    assert "more than 3 times" in fault_of(server)
    assert server.played_out == 0


def test_what_is_done_with_the_bytes_counts_too(server: ScriptedServer, monkeypatch):
    limits = kept_limits(monkeypatch, video_source)
    server.answers(200, tiny_video())

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        stream.read(10)
        limits.expire()
        with pytest.raises(VideoFault, match="took longer than 800 seconds"):
            stream.read()


def test_a_video_that_was_read_to_its_end_in_time_stays_whole(server: ScriptedServer, monkeypatch):
    limits = kept_limits(monkeypatch, video_source)
    server.answers(200, tiny_video())

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        found = stream.read()
        limits.expire()
        end = stream.read(1)

    assert (found, end) == (tiny_video(), b"")


def test_downloads_leave_nothing_behind(server: ScriptedServer):
    before = open_files()

    for turn in range(20):
        if turn % 2:
            server.answers(200, tiny_video())
            fetch(server.base_url + TARGET, server.base_url)
        else:
            server.answers(302, b"x" * 1000, Location=f"{server.base_url}/elsewhere")
            fault_of(server)

    assert open_files_settle_at(before)
    assert limit_threads() == []


# --- a stranger's https ----------------------------------------------------------------------------------------------

CDN = "https://cdn.example" + TARGET


@pytest.fixture
def cdn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ScriptedServer]]:
    """Start a server with a certificate for the given name, which stands at a public address of cdn.example."""
    resolve = socket.getaddrinfo

    def resolve_cdn(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "cdn.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_cdn)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", authority_file(tmp_path))
    with ExitStack() as stack:

        def start(name: str) -> ScriptedServer:
            running = stack.enter_context(scripted_server(server_context(tmp_path, name)))

            def dial(address: tuple[str, int], timeout: float, **_: Any) -> socket.socket:
                assert address == ("8.8.8.8", 443)
                return socket.create_connection(("127.0.0.1", running.port), timeout)

            monkeypatch.setattr("dropreel.adapters.public_internet.create_connection", dial)
            return running

        yield start


def test_a_video_comes_from_a_strangers_https_without_our_key(cdn):
    running = cdn("cdn.example")
    running.answers(200, tiny_video())

    found, _stream = fetch(CDN, "https://api.nohuman.studio")

    assert found == tiny_video()
    (request,) = running.requests
    assert request.headers["host"] == "cdn.example"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("name", ["other.example", "example", "*.cdn.example", "cdn.example.evil", "8.8.8.8"])
def test_a_certificate_for_another_name_is_a_fault_and_nothing_is_asked(cdn, name):
    running = cdn(name)
    running.answers(200, tiny_video())

    with pytest.raises(VideoFault, match="SSLError"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.connections == 1
    assert running.requests == []


def test_a_certificate_of_an_authority_that_nobody_knows_is_a_fault_and_nothing_is_asked(cdn, monkeypatch):
    running = cdn("cdn.example")
    running.answers(200, tiny_video())
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", certifi.where())

    with pytest.raises(VideoFault, match="SSLError"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.requests == []


@pytest.mark.usefixtures("_short_limit")
@pytest.mark.parametrize("name", SLOW)
def test_a_slow_drip_over_https_is_given_up(cdn, name):
    running = cdn("cdn.example")
    running.plays(*SLOW[name])

    with pytest.raises(VideoFault, match=r"took longer than 0\.1 seconds"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.played_out == 0


@pytest.mark.usefixtures("_short_limit")
def test_a_body_over_https_that_the_limit_has_cut_is_no_whole_video_even_if_its_boxes_are_whole(cdn):
    running = cdn("cdn.example")
    running.plays(OPEN_HEAD + tiny_video(), hangs=True)

    with pytest.raises(VideoFault, match=r"took longer than 0\.1 seconds"):
        fetch(CDN, "https://api.nohuman.studio")

    assert running.played_out == 0


@pytest.mark.usefixtures("_short_limit")
def test_a_slow_drip_behind_a_redirect_is_given_up(server: ScriptedServer, cdn):
    server.answers(302, b"", Location=CDN)
    running = cdn("cdn.example")
    running.plays(HEAD, bytes(300))

    assert "took longer than 0.1 seconds" in fault_of(server)
    assert running.played_out == 0


def test_a_redirect_to_a_strangers_https_is_followed_without_our_key(server: ScriptedServer, cdn):
    server.answers(307, b"", Location=CDN)
    running = cdn("cdn.example")
    running.answers(200, tiny_video())

    found, _stream = fetch(server.base_url + TARGET, server.base_url)

    assert found == tiny_video()
    assert "authorization" not in running.requests[0].headers


# --- addresses that are not fetched ----------------------------------------------------------------------------------


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
def test_an_address_that_is_not_https_or_no_address_is_a_fault(url):
    with pytest.raises(VideoFault):
        fetch(url, "https://api.nohuman.studio")


def test_plain_http_is_for_the_configured_origin_only(server: ScriptedServer):
    other_port = f"http://127.0.0.1:{closed_port()}"

    with pytest.raises(VideoFault, match="https"):
        fetch(server.base_url + TARGET, other_port)

    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "user:pw@127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
def test_an_address_inside_the_function_is_not_even_connected_to(server: ScriptedServer, host):
    with pytest.raises(VideoFault):
        fetch(f"https://{host}:{server.port}{TARGET}", "https://api.nohuman.studio")

    assert server.connections == 0


@pytest.mark.parametrize("between", ["\\", "\\\\", "%5C", "", ":pw", "\\:pw"])
def test_an_address_that_only_seems_to_be_of_the_configured_origin_is_not_asked(server: ScriptedServer, between):
    """Programs disagree on where a host ends: what is checked has to be what is asked."""
    with scripted_server() as inside:
        inside.answers(200, tiny_video())
        server.answers(200, tiny_video())
        base = server.base_url.removeprefix("http://")

        with pytest.raises(VideoFault):
            fetch(f"http://127.0.0.1:{inside.port}{between}@{base}{TARGET}", server.base_url)

    assert inside.connections == server.connections == 0


# --- the stream's own rules ------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(tiny_video())), max_size=20), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_a_short_answer_means_the_end_and_nothing_else(places, lengths):
    places = [0, *sorted(set(places) - {0, len(tiny_video())}), len(tiny_video())]
    pieces = [tiny_video()[start:end] for start, end in pairwise(places)]
    stream = VideoStream(iter(pieces), max_bytes=10_000_000)

    found, turn = b"", 0
    while True:
        asked = lengths[turn % len(lengths)]
        piece = stream.read(asked)
        found, turn = found + piece, turn + 1
        if len(piece) < asked:
            break

    assert found == tiny_video()
    assert stream.read(1) == b""


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_what_comes_next_is_given_at_once(sizes, lengths):
    pieces, rest = [], tiny_video()
    for size in (*sizes, len(rest)):
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    given_out = 0

    def coming():
        nonlocal given_out
        for piece in filter(None, pieces):
            given_out += len(piece)
            yield piece

    stream = VideoStream(coming(), max_bytes=10_000_000)

    found, turn = b"", 0
    while piece := stream.read1(lengths[turn % len(lengths)]):
        assert len(piece) <= lengths[turn % len(lengths)]
        found, turn = found + piece, turn + 1
        assert given_out - len(found) < max(map(len, pieces)), "more was taken than could be given"

    assert found == tiny_video()


@pytest.mark.parametrize("length", [len(tiny_video()) - 1, len(tiny_video()) + 1, 10_000_000])
def test_a_stream_of_another_length_than_told_is_no_video(length):
    stream = VideoStream(iter([tiny_video()]), 10_000_000, length)

    with pytest.raises(VideoFault, match=f"ended after {len(tiny_video()):,} of {length:,} bytes"):
        stream.read()


@pytest.mark.parametrize("end", [1, 50, len(tiny_video()) - 1])
def test_the_last_read_of_a_cut_video_raises_and_gives_no_short_answer(end):
    stream = VideoStream(iter([tiny_video()[:end]]), max_bytes=10_000_000)

    with pytest.raises(VideoFault):
        stream.read(end + 1)
