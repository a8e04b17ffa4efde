"""What a whole MP4 is, told from its bytes as they stream by, and where a job's video goes."""

import re
from dataclasses import dataclass

from dropreel.errors import VideoFault
from dropreel.jobs import Job

MAX_KEY_BYTES = 1024
"""S3's limit on an object key, in bytes of UTF-8."""

_HEADER = 16


@dataclass
class BoxWalker:
    """Walks the top-level boxes of an MP4 without keeping it: feed it the bytes in order, then call `finish`.

    Source of the rules: ISO/IEC 14496-12: a box is a 32-bit size and a type; size 1 means a 64-bit size follows; size 0
    means "to the end of the file". A whole video starts with `ftyp`, has a `moov`, and its last box ends at its last byte.
    """

    position: int = 0
    _next_box: int = 0
    _header: bytes = b""
    _open_ended: bool = False
    _has_ftyp: bool = False
    _has_moov: bool = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Raises VideoFault as soon as they cannot be part of a video."""
        view = memoryview(chunk)
        start = self.position
        self.position += len(view)
        while not self._open_ended and self._next_box + len(self._header) < self.position:
            offset = self._next_box + len(self._header) - start
            self._header += bytes(view[offset : offset + _HEADER - len(self._header)])
            if not self._read_header():
                return

    def finish(self) -> None:
        """Say that the last byte has come. Raises VideoFault unless what came is one whole video."""
        if self.position == 0:
            raise VideoFault("the video is empty")
        if self._header or (not self._open_ended and self._next_box != self.position):
            raise VideoFault(f"the video is cut short or damaged: it ends at byte {self.position} inside a box")
        if not self._has_moov:
            raise VideoFault("the video has no moov box, so no player can open it")

    def _read_header(self) -> bool:
        """Read one box header if enough of it is there; return whether the walk may go on."""
        if len(self._header) < 8:
            return False
        size, kind = int.from_bytes(self._header[:4], "big"), self._header[4:8]
        if not self._has_ftyp and kind != b"ftyp":
            raise VideoFault("the answer is not an MP4: it does not start with an ftyp box")
        smallest, to_the_end = 8, size == 0
        if size == 1:
            if len(self._header) < _HEADER:
                return False
            size, smallest = int.from_bytes(self._header[8:16], "big"), 16
        if to_the_end:
            self._open_ended = True
        elif size < smallest:
            raise VideoFault(f"the video is damaged: a box at byte {self._next_box} says it has {size} bytes")
        self._has_ftyp = True
        self._has_moov = self._has_moov or kind == b"moov"
        self._next_box += size
        self._header = b""
        return True


def video_key(job: Job) -> str:
    """Return `<image key without its ending>-<generation id>.mp4`, cut where needed to S3's 1,024 bytes."""
    folder, slash, name = str(job.image["key"]).rpartition("/")
    stem, dot, _ending = name.rpartition(".")
    stem = folder + slash + (stem if dot and stem else name)
    tail = f"-{re.sub(r'[^0-9A-Za-z_.-]', '_', job.generation_id or '')}.mp4"
    return stem.encode()[: MAX_KEY_BYTES - len(tail)].decode(errors="ignore") + tail
