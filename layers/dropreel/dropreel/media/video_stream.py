"""A video as a stream that is hashed and checked while it is read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from dropreel.domain.errors import VideoFault
from dropreel.media.mp4 import BoxWalker, VideoFacts

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE_BYTES = 1024 * 1024
"""The most bytes of a video that are read at a time."""


@dataclass
class VideoStream:
    """A readable stream of one video. The last `read` raises VideoFault unless the bytes were one whole video."""

    pieces: Iterator[bytes]
    max_bytes: int
    length: int | None = None
    """Its bytes by Content-Length, None without one. Another number of bytes is a fault."""
    measured: bool = False
    """Whether it cannot have been cut because its length is known, or was before it was decompressed: see BoxWalker."""
    size: int = 0
    fault: VideoFault | None = None
    """What was raised, for callers that get it wrapped into another exception."""
    _digest: "_Hash" = field(default_factory=hashlib.sha256)
    _walker: BoxWalker = field(init=False)
    _rest: bytes | memoryview = b""

    def __post_init__(self) -> None:
        self._walker = BoxWalker(self.measured or self.length is not None)

    def read(self, length: int = -1) -> bytes:
        """Return `length` bytes, fewer only at the end: callers take a short read for the end."""
        found = BytesIO()
        while length < 0 or found.tell() < length:
            piece = self.read1(length - found.tell() if length >= 0 else -1)
            if not piece:
                break
            found.write(piece)
        return found.getvalue()

    def read1(self, length: int = -1) -> bytes | memoryview:
        """Return the next bytes, at most `length` and none only at the end."""
        piece = self._rest or memoryview(self._next())
        room = len(piece) if length < 0 else length
        self._rest = piece[room:]
        return piece[:room]

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, in hex."""
        return self._digest.hexdigest()

    @property
    def facts(self) -> VideoFacts:
        """The video's own facts, once it was read to its end."""
        return self._walker.facts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the video but no fault, once it was read to its end."""
        return self._walker.warnings

    def _next(self) -> bytes:
        try:
            return self._checked()
        except VideoFault as fault:
            self.fault = fault
            raise

    def _checked(self) -> bytes:
        piece = next(self.pieces, b"")
        if not piece:
            if self.length is not None and self.size != self.length:
                raise VideoFault(f"the video ended after {self.size:,} of {self.length:,} bytes")
            self._walker.finish()
            return b""
        self.size += len(piece)
        if self.size > self.max_bytes:
            raise too_large(self.max_bytes)
        self._digest.update(piece)
        self._walker.feed(piece)
        return piece


@dataclass(frozen=True)
class StoredVideo:
    """The object at a video's key: its `ETag`, its `VersionId` (None in a bucket without versions), and its bytes.

    `stream` is None if the object's metadata is not that of this video.
    """

    etag: str
    version_id: str | None
    stream: VideoStream | None


def too_large(max_bytes: int) -> VideoFault:
    """Return the fault of a video that is larger than `MaxVideoBytes`."""
    return VideoFault(f"the video is larger than {max_bytes:,} bytes (MaxVideoBytes)")
