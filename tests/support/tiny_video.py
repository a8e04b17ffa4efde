"""A real MP4 of a few frames."""

import io
import struct
from functools import cache

import av
import numpy


@cache
def tiny_video() -> bytes:
    """Ten frames of 32 x 32 pixels."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for shade in range(0, 250, 25):
            frame = av.VideoFrame.from_ndarray(numpy.full((32, 32, 3), shade, dtype=numpy.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def box(kind: bytes, payload: bytes = b"") -> bytes:
    """One MP4 box."""
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def long_box(kind: bytes, payload: bytes = b"") -> bytes:
    """One MP4 box with a 64-bit size."""
    return struct.pack(">I4sQ", 1, kind, 16 + len(payload)) + payload


def open_box(kind: bytes, payload: bytes = b"") -> bytes:
    """One MP4 box of size 0, which extends to the end of the file."""
    return struct.pack(">I", 0) + kind + payload


def boundaries(content: bytes) -> list[int]:
    """Where each top-level box ends."""
    found, at = [], 0
    while at < len(content):
        at += struct.unpack_from(">I", content, at)[0]
        found.append(at)
    return found
