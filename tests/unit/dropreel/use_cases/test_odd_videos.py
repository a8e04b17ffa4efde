"""Videos with deviations that a player (PyAV, FFmpeg) accepts are delivered with a warning where their length was met."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import av
import numpy
import pytest

from dropreel.adapters.video_source import VideoSource
from dropreel.domain.errors import VideoFault
from dropreel.domain.job import Charge, JobStatus
from dropreel.provider.poll_answers import Finished
from tests.support.encoded_videos import frames_decoded, video
from tests.support.fake_stack import GENERATION, FakeStack
from tests.support.mp4_boxes import FTYP, MOOV, boxes_in, changed, with_last_mdat
from tests.support.scripted_server import ScriptedServer
from tests.support.tiny_video import box, open_box

MOOV_FIRST = "five seconds, moov first"
MOOV_LAST = "two seconds, moov last"
FRAGMENTS = "nothing in moov"
OFFSETS = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco"]


def sound_alone() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 48_000), numpy.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux([*sound.encode(frame), *sound.encode(None)])
    return file.getvalue()


def renamed(start: bytes, content: bytes) -> bytes:
    """The video with the type of its `ftyp` box replaced by another one that players skip."""
    return content[:4] + start + content[8:]


def with_trailing(junk: bytes, content: bytes) -> bytes:
    return content + junk


def without_ftyp(content: bytes) -> bytes:
    """The video without its first box, with its chunk offsets adjusted."""
    first = len(box(*boxes_in(content)[0]))

    def moved(payload: bytes) -> bytes:
        places = struct.unpack_from(f">{(len(payload) - 8) // 4}I", payload, 8)
        return payload[:8] + b"".join(struct.pack(">I", place - first) for place in places)

    return changed(content[first:], OFFSETS, moved)


def with_last_mdat_of_64_bits(content: bytes, size: int) -> bytes:
    """The video with a 64-bit size in its last `mdat`, in the place of the `free` box before it."""
    at = content.rindex(b"mdat") - 4
    assert content[at - 8 : at] == box(b"free")
    return content[: at - 8] + b"\0\0\0\1mdat" + size.to_bytes(8, "big") + content[at + 8 :]


Odd = tuple[str, Callable[[bytes], bytes], str]
ODD: dict[str, Odd] = {
    # name: (sample video, change, start of its warning)
    **{
        f"{what} behind {name}": (name, partial(with_trailing, junk), f"The video has {count} behind its")
        for name in (MOOV_FIRST, MOOV_LAST, FRAGMENTS)
        for what, junk, count in (
            ("a NUL", b"\0", "1 byte"),
            ("NULs", bytes(4096), "4,096 bytes"),
            ("a newline", b"\n", "1 byte"),
            ("a comment", b"<!-- served by edge 7 -->", "25 bytes"),
            ("junk", b"\0junk" * 300_000, "1,500,000 bytes"),
        )
    },
    "a last mdat one byte too long": (
        MOOV_FIRST,
        lambda content: with_last_mdat(content, len(boxes_in(content)[-1][1]) + 9),
        "The video's last box (mdat, at byte 1,093) says that it has 1,775 bytes; the file ends after 1,774 of them.",
    ),
    "a last mdat of 4 GB": (
        MOOV_FIRST,
        lambda content: with_last_mdat(content, 2**32 - 1),
        "The video's last box (mdat, at byte 1,093) says that it has 4,294,967,295 bytes;",
    ),
    "a last mdat of 64 bits": (
        MOOV_FIRST,
        lambda content: with_last_mdat_of_64_bits(content, 2**62),
        "The video's last box (mdat, at byte 1,085) says that it has 4,611,686,018,427,387,904 bytes;",
    ),
    "a last fragment too long": (
        FRAGMENTS,
        lambda content: with_last_mdat(content[: -len(box(*boxes_in(content)[-1]))], 10_000),
        "The video's last box (mdat, at byte 1,997) says that it has 10,000 bytes; the file ends after 188 of them.",
    ),
    "no ftyp, moov first": (MOOV_FIRST, without_ftyp, "The video starts with a moov box where"),
    **{
        f"{start.decode()} before {name}": (
            name,
            partial(renamed, start),
            f"The video starts with a {start.decode()} box where an MP4 has ftyp",
        )
        for name in (MOOV_FIRST, MOOV_LAST, FRAGMENTS)
        for start in (b"wide", b"free", b"skip", b"mdat")
    },
}
WITHOUT_MEDIA: dict[str, Callable[[], bytes]] = {
    "moov alone": lambda: b"".join(box(*one) for one in boxes_in(video(MOOV_FIRST))[:2]),
    "an empty mdat, moov first": lambda: changed(video(MOOV_FIRST), [b"mdat"], lambda _: b""),
    "an empty mdat, moov last": lambda: changed(video(MOOV_LAST), [b"mdat"], lambda _: b""),
    "fragments without their media": lambda: b"".join(
        box(*one) for one in boxes_in(video(FRAGMENTS)) if one[0] != b"mdat"
    ),
    "sound alone": sound_alone,
}


@pytest.fixture
def ready(stack: FakeStack, server: ScriptedServer) -> FakeStack:
    """The provider has a finished video on the scripted server."""
    stack.put_job(charge=Charge.CHARGED)
    stack.provider.poll_answer = Finished(f"{server.base_url}/v.mp4")
    stack.deliver = replace(stack.deliver, source=VideoSource(server.base_url, 10_000_000))
    return stack


@pytest.mark.parametrize("name", ODD)
def test_an_odd_video_that_a_player_opens_is_delivered_with_a_warning(ready: FakeStack, server: ScriptedServer, name):
    base, make_odd, begins = ODD[name]
    content = make_odd(video(base))
    server.answers(200, content)
    assert frames_decoded(content) == frames_decoded(video(base))

    ready.deliver.run(GENERATION)

    assert ready.job.video is not None
    assert ready.videos.objects[ready.job.video.key][0] == content
    odd, *_others = ready.job.warnings
    assert odd.startswith(begins)
    assert ready.videos.receipts[ready.job.video.receipt_key]["warnings"] == list(ready.job.warnings)
    assert ready.bus.published[0][1]["data"]["warnings"] == list(ready.job.warnings)
    assert ready.job.video.width == 64


@pytest.mark.parametrize("name", ODD)
def test_an_odd_video_without_a_length_is_not_stored(ready: FakeStack, server: ScriptedServer, name):
    base, make_odd, _begins = ODD[name]
    server.plays(b"HTTP/1.1 200 OK\r\n\r\n" + make_odd(video(base)))

    with pytest.raises(VideoFault):
        ready.deliver.run(GENERATION)

    assert ready.videos.objects == {}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_video_already_copied_is_accepted_with_its_warning(ready: FakeStack, server: ScriptedServer, name):
    base, make_odd, begins = ODD[name]
    server.answers(200, make_odd(video(base)))
    ready.deliver.run(GENERATION)
    warnings = ready.job.warnings
    ready.put_job(charge=Charge.CHARGED)

    ready.deliver.run(GENERATION)

    assert (ready.job.status, ready.job.warnings) == ("completed", warnings)
    assert warnings[0].startswith(begins)
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", WITHOUT_MEDIA)
def test_a_video_without_media_is_not_stored(ready: FakeStack, server: ScriptedServer, name):
    content = WITHOUT_MEDIA[name]()
    server.answers(200, content)
    with suppress(av.FFmpegError, IndexError):  # PyAV raises for a damaged file or a missing track
        assert frames_decoded(content) == 0

    with pytest.raises(VideoFault, match=r"^video_without_media: "):
        ready.deliver.run(GENERATION)

    assert (ready.videos.objects, ready.job.status) == ({}, "generating")


@pytest.mark.parametrize("base", [MOOV_FIRST, MOOV_LAST, FRAGMENTS, "for DASH", "with sound, moov first"])
def test_a_valid_video_has_no_warning_but_its_duration(ready: FakeStack, server: ScriptedServer, base):
    server.answers(200, video(base))

    ready.deliver.run(GENERATION)

    assert [warning for warning in ready.job.warnings if "long" not in warning] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><body>expired</body></html>",
        b'{"error": {"code": "expired"}}',
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        b"gone",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(50),
        box(b"ftyp", b"avif\0\0\0\0mif1avif") + box(b"meta", bytes(200)) + box(b"mdat", bytes(200)),
    ],
    ids=["nothing", "HTML", "JSON", "XML", "text", "PNG", "AVIF"],
)
def test_an_answer_that_is_no_video_is_not_stored(ready: FakeStack, server: ScriptedServer, body):
    server.answers(200, body, Content_Type="video/mp4")

    with pytest.raises(VideoFault):
        ready.deliver.run(GENERATION)

    assert (ready.videos.objects, ready.job.status) == ({}, "generating")


# --- a last box of size 0 ---------------------------------------------------------------------------------------------

NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


@pytest.mark.parametrize("name", [MOOV_FIRST, "with sound, moov first", "durations of 64 bits, moov first"])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_an_open_video_without_a_length_is_delivered_once_complete(
    ready: FakeStack, server: ScriptedServer, is_chunked: bool, name: str
):
    content = with_last_mdat(video(name), 0)

    def serves(body: bytes) -> None:
        server.plays(CHUNKED + chunks(body) if is_chunked else NO_LENGTH + body)

    serves(content[:-1])
    with pytest.raises(VideoFault, match="may be cut short"):
        ready.deliver.run(GENERATION)
    assert (ready.videos.objects, ready.job.status) == ({}, JobStatus.GENERATING)

    serves(content)
    ready.deliver.run(GENERATION)
    assert [stored for stored, _metadata in ready.videos.objects.values()] == [content]


def test_an_open_video_that_met_its_length_is_delivered(ready: FakeStack, server: ScriptedServer):
    content = FTYP + MOOV + open_box(b"mdat", bytes(500))
    server.answers(200, content)

    ready.deliver.run(GENERATION)

    assert [stored for stored, _metadata in ready.videos.objects.values()] == [content]
