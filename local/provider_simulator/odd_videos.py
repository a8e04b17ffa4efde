"""Makes a video odd, as real servers and encoders do: some that players open all the same, some that show nothing."""

from collections.abc import Callable
from typing import Literal

Oddity = Literal["long mdat", "no ftyp", "no media", "no picture"]
_HANDLER = b"hdlr" + bytes(8)


def made_odd(video: bytes, oddity: Oddity) -> bytes:
    """Return the video, which starts with `ftyp` and ends with its one `mdat`, with something odd about it.

    Its last `mdat` claims 1,000 bytes more than there are; a `free` box stands where `ftyp` was; its media is left out;
    its picture's track says that it is a text.
    """
    return _MAKE[oddity](video)


def _with_long_mdat(video: bytes) -> bytes:
    at = video.index(b"mdat") - 4
    return video[:at] + (len(video) - at + 1000).to_bytes(4, "big") + video[at + 4 :]


_MAKE: dict[Oddity, Callable[[bytes], bytes]] = {
    "long mdat": _with_long_mdat,
    "no ftyp": lambda video: video[:4] + b"free" + video[8:],
    "no media": lambda video: video[: video.index(b"mdat") - 4],
    "no picture": lambda video: video.replace(_HANDLER + b"vide", _HANDLER + b"text"),
}
