"""Undo a body's `Content-Encoding`, where there is one: what was said of the body counts only if its bytes agree.

Source of the forms: RFC 9110 (8.4) for the header, RFC 1950 to 1952 for deflate and gzip. Other encodings were not asked
for and are not undone.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain

from dropreel.domain.errors import VideoFault

MAX_PIECE_BYTES = 1024 * 1024
"""The largest piece that is unpacked at once: a few bytes can stand for gigabytes."""
MAX_ENCODINGS = 3
"""Encodings of one body that are undone: a limit of ours."""

_HEAD = 8
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's numbers for the three forms


def decoded(pieces: Iterator[bytes], encodings: str, is_plain: Callable[[bytes], bool]) -> tuple[Iterator[bytes], bool]:
    """Return the body's pieces without the encodings that the header names, and whether any was undone.

    `is_plain` tells from the body's first 8 bytes that it is what was asked for, whatever the header says. So does a
    body that is not of the form that the header names: it is returned as it is. The pieces raise VideoFault where a
    packed body is damaged or ends too soon, and whatever the given ones raise, here already for the first of them.
    """
    is_undone = False
    named = [name.strip().lower() for name in encodings.split(",")]
    for name in list(reversed(named))[:MAX_ENCODINGS]:
        if name not in ("gzip", "x-gzip", "deflate"):
            continue
        head, pieces = _peeked(pieces)
        form = None if is_plain(head) else _form(name, head)
        if form is not None:
            pieces, is_undone = _unpacked(pieces, form), True
    return pieces, is_undone


def _peeked(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    taken: list[bytes] = []
    for piece in pieces:
        taken.append(piece)
        if sum(map(len, taken)) >= _HEAD:
            break
    return b"".join(taken)[:_HEAD], chain(taken, pieces)


def _form(name: str, head: bytes) -> int | None:
    if name != "deflate":
        return _GZIP if head[:2] == b"\x1f\x8b" else None
    # By the standard deflate is wrapped as zlib has it; some servers send it bare.
    is_wrapped = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return _ZLIB if is_wrapped else _RAW


def _unpacked(pieces: Iterator[bytes], form: int) -> Iterator[bytes]:
    """Give a packed body's content. What lies behind its end and is no further member of a gzip file is passed over."""
    unpacker = zlib.decompressobj(form)
    members, is_begun = 0, False
    for packed in pieces:
        rest = packed
        while rest or (is_begun and not unpacker.eof):
            try:
                content = unpacker.decompress(rest, MAX_PIECE_BYTES)
            except zlib.error as error:
                if members:  # padding
                    return
                raise VideoFault("the download could not be unpacked: it is damaged") from error
            is_begun = True
            if content:
                yield content
            rest = unpacker.unconsumed_tail
            if unpacker.eof:
                rest, members, is_begun = unpacker.unused_data, members + 1, False
                if form != _GZIP:
                    return
                unpacker = zlib.decompressobj(form)
            elif not rest and len(content) < MAX_PIECE_BYTES:
                break
    if is_begun or not members:
        raise VideoFault("the download could not be unpacked: it ends too soon")
