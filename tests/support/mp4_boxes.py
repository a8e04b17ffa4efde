"""MP4 files built and changed box by box."""

import struct
from collections.abc import Callable

from hypothesis import strategies as st

from tests.support.tiny_video import box, long_box

FTYP = box(b"ftyp", b"isom\0\0\2\0")
PICTURE = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(13))))
SOUND = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"soun" + bytes(13))))
MOOV = box(b"moov", PICTURE)
MDAT = box(b"mdat", bytes(range(100)))


def boxes_in(content: bytes) -> list[tuple[bytes, bytes]]:
    """The type and payload of each box, whose sizes have 32 bits."""
    found, at = [], 0
    while at < len(content):
        size = struct.unpack_from(">I", content, at)[0]
        found.append((content[at + 4 : at + 8], content[at + 8 : at + size]))
        at += size
    return found


def moov_of(content: bytes) -> bytes:
    return dict(boxes_in(content))[b"moov"]


def changed(content: bytes, path: list[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The content with the payload of each box at this path changed."""
    if not path:
        return change(content)
    return b"".join(
        box(kind, changed(payload, path[1:], change) if kind == path[0] else payload)
        for kind, payload in boxes_in(content)
    )


def overwrite(at: int, value: bytes) -> Callable[[bytes], bytes]:
    """A change that puts this value at this offset of a payload."""
    return lambda payload: payload[:at] + value + payload[at + len(value) :]


def with_last_mdat(content: bytes, size: int) -> bytes:
    """The video with this 32-bit size in its last `mdat`."""
    at = content.rindex(b"mdat") - 4
    return content[:at] + size.to_bytes(4, "big") + content[at + 4 :]


KINDS = [b"mvhd", b"mvex", b"mehd", b"trak", b"tkhd", b"mdia", b"hdlr", b"free"]


def boxes_of(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    one = st.builds(lambda write, *of: write(*of), st.sampled_from([box, long_box]), st.sampled_from(KINDS), payloads)
    return st.lists(one, max_size=4).map(b"".join)


ANY_BOXES = st.recursive(st.binary(max_size=120), boxes_of, max_leaves=12)
DAMAGE = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8)


def damaged(content: bytes, damage: list[tuple[int, int]], end: int) -> bytes:
    """The content with these bytes changed and so many cut off its end."""
    changed_bytes = bytearray(content)
    for place, value in damage:
        changed_bytes[place % len(changed_bytes)] = value
    return bytes(changed_bytes[: len(changed_bytes) - end])
