"""Videos with a Content-Encoding, true or false."""

import gzip
import random
import zlib

import pytest

from dropreel.adapters.video_source import VideoSource
from tests.support.downloads import TARGET, fault_of, fetch
from tests.support.scripted_server import ScriptedServer
from tests.support.tiny_video import box, tiny_video

pytestmark = pytest.mark.usefixtures("_short_timeouts")


def test_a_body_that_decompresses_to_too_much_is_a_fault(server: ScriptedServer):
    server.answers(200, gzip.compress(tiny_video() + bytes(3_000_000)), Content_Encoding="gzip")

    assert fault_of(server, max_bytes=1_000_000)


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
def test_a_compressed_body_is_decompressed(server: ScriptedServer, name, tells_its_length):
    encoding, body = PACKED[name]
    length = f"Content-Length: {len(body)}\r\n" if tells_its_length else ""
    server.plays(f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\n{length}\r\n".encode() + body)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length) == (tiny_video(), None)


@pytest.mark.parametrize("encoding", FALSE_ENCODINGS)
@pytest.mark.parametrize("content", [tiny_video(), QUICKTIME], ids=["MP4", "QuickTime"])
def test_a_false_encoding_is_ignored(server: ScriptedServer, encoding, content):
    server.answers(200, content, Content_Encoding=encoding)

    found, stream = fetch(server.base_url + TARGET, server.base_url)

    assert (found, stream.length) == (content, len(content))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_body_with_a_false_encoding_must_have_its_length(server: ScriptedServer, part):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(tiny_video())}\r\n\r\n".encode()
    server.plays(head + tiny_video()[: int(part * len(tiny_video()))])

    assert "broke off" in fault_of(server)


@pytest.mark.parametrize("name", [name for name in PACKED if name != "gzip with padding"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_cut_compressed_body_is_a_fault(server: ScriptedServer, name, part):
    encoding, body = PACKED[name]
    server.answers(200, body[: int(part * len(body))], Content_Encoding=encoding)

    assert fault_of(server)


@pytest.mark.parametrize("cut", [1, 8, 9, 500])
def test_a_cut_compressed_body_is_a_fault_even_if_it_could_be_played(server: ScriptedServer, cut):
    body = gzip.compress(tiny_video() + box(b"free", random.Random(1).randbytes(5_000)))
    server.answers(200, body[:-cut], Content_Encoding="gzip")

    assert fault_of(server) == "the download could not be unpacked: it ends too soon"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>gone</html>", b'{"error": "expired"}', gzip.compress(b"<html>gone</html>", mtime=0)]
)
def test_a_body_with_an_encoding_that_is_no_video_is_a_fault(server: ScriptedServer, encoding, body):
    server.answers(200, body, Content_Encoding=encoding)

    assert fault_of(server)


def test_a_damaged_compressed_body_is_a_fault(server: ScriptedServer):
    body = bytearray(gzip.compress(tiny_video()))
    body[-100] ^= 255
    server.answers(200, bytes(body), Content_Encoding="gzip")

    assert "could not be unpacked" in fault_of(server)


def test_a_decompressed_body_comes_in_pieces_of_limited_size(server: ScriptedServer):
    content = tiny_video() + box(b"free", bytes(9_000_000))
    server.answers(200, gzip.compress(content), Content_Encoding="gzip")

    with VideoSource(server.base_url, 10_000_000).open(server.base_url + TARGET) as stream:
        pieces = list(iter(stream.read1, b""))

    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1024 * 1024


@pytest.mark.parametrize("behind", [b"\n", bytes(8), b"<!-- served by edge 7 -->"])
def test_an_unusual_compressed_video_is_taken_if_its_length_is_known(server: ScriptedServer, behind):
    body = gzip.compress(tiny_video() + behind)
    server.answers(200, body, Content_Encoding="gzip")
    _found, stream = fetch(server.base_url + TARGET, server.base_url)
    assert len(stream.warnings) == 1

    server.plays(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + body)
    assert "damaged" in fault_of(server)
