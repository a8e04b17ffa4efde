"""Makes malformed videos as real servers and encoders do: some that players open, some that they cannot."""

from collections.abc import Callable
from typing import Literal

Oddity = Literal["long mdat", "no ftyp", "no media", "no picture"]
_HANDLER = b"hdlr" + bytes(8)


def make_odd(video: bytes, oddity: Oddity) -> bytes:
    """Return the video, which must start with `ftyp` and end with its one `mdat`, with an oddity.

    `long mdat`: the size of `mdat` is 1,000 bytes too large. `no ftyp`: a `free` box in its place. `no media`: no `mdat`.
    `no picture`: the handler of the video track is `text`.
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
