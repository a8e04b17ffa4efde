"""Videos in the forms that FFmpeg writes."""

import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy

VIDEOS: dict[str, dict[str, Any]] = {
    "one frame": {"frames": 1},
    "two seconds, moov last": {},
    "five seconds, moov first": {"frames": 50, "movflags": "faststart"},
    "not whole milliseconds": {"frames": 31, "rate": 30},
    "tall": {"size": (36, 64)},
    "ten seconds with sound, moov last": {"frames": 100, "sound_seconds": 10, "size": (16, 16)},
    "with sound, moov first": {"sound_seconds": 2, "movflags": "faststart"},
    "sound outlasts the picture": {"sound_seconds": 3},
    "picture outlasts the sound": {"sound_seconds": 1},
    "durations of 64 bits": {"frames": 30, "movie_timescale": "2000000000"},
    "durations of 64 bits, moov first": {"frames": 30, "movie_timescale": "2000000000", "movflags": "faststart"},
    "fragments joined at the end": {"movflags": "hybrid_fragmented"},
}
FRAGMENTED: dict[str, dict[str, Any]] = {
    "nothing in moov": {"movflags": "frag_keyframe+empty_moov"},
    "nothing in moov, with sound": {"movflags": "frag_keyframe+empty_moov", "sound_seconds": 2},
    "the first fragment in moov": {"movflags": "frag_keyframe"},
    "for DASH": {"movflags": "dash+delay_moov+frag_keyframe"},
}


@cache
def video(name: str) -> bytes:
    """A video of VIDEOS or FRAGMENTED, encoded once."""
    return encoded_video(**{**VIDEOS, **FRAGMENTED}[name])


def encoded_video(
    frames: int = 20, rate: int = 10, size: tuple[int, int] = (64, 48), sound_seconds: int = 0, **options: str
) -> bytes:
    """Encode a video. Its sound, if it has any, is its first track."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"  # FFmpeg reads the file again to put moov first
        with av.open(str(path), "w", format="mp4", options=options) as container:
            sound = container.add_stream("aac", rate=48_000, layout="mono") if sound_seconds else None
            picture = container.add_stream("mpeg4", rate=rate)
            picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
            if sound is not None:
                silence = numpy.zeros((1, 48_000 * sound_seconds), dtype=numpy.float32)
                frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 48_000, 0
                container.mux([*sound.encode(frame), *sound.encode(None)])
            for shade in range(frames):
                pixels = numpy.full((*reversed(size), 3), shade, dtype=numpy.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(picture.encode())
        return path.read_bytes()


def frames_decoded(content: bytes) -> int:
    with av.open(io.BytesIO(content)) as container:
        return len(list(container.decode(video=0)))
