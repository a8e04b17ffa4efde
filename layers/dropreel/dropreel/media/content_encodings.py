"""Undo a body's `Content-Encoding` where its bytes agree with the header.

Sources: RFC 9110 (8.4) for the header, RFC 1950 to 1952 for deflate and gzip. Other encodings are never requested, and
are not undone.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import chain

from dropreel.domain.errors import VideoFault

MAX_PIECE_BYTES = 1024 * 1024
"""The most bytes that are unpacked at once: a few packed bytes can expand to gigabytes."""
MAX_ENCODINGS = 3
"""Encodings of one body that are undone: a limit of ours."""

_HEAD = 8
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window sizes, which select the format


def decoded(pieces: Iterator[bytes], encodings: str, is_plain: Callable[[bytes], bool]) -> tuple[Iterator[bytes], bool]:
    """Return the body's pieces without the encodings that the header names, and whether any was undone.

    A body is returned as it is where `is_plain` accepts its first 8 bytes, or where it is not in the format that the header
    names: some servers send a false header. Iterating raises VideoFault where a packed body is damaged or ends too soon, and
    what the given pieces raise; for the first of them this call raises it already.
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
    # The standard's deflate has a zlib header; some servers send it without.
    is_wrapped = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return _ZLIB if is_wrapped else _RAW


def _unpacked(pieces: Iterator[bytes], form: int) -> Iterator[bytes]:
    """Yield a packed body's content. Bytes after its end are skipped, except further members of a gzip file."""
    unpacker = zlib.decompressobj(form)
    members, is_started = 0, False
    for packed in pieces:
        rest = packed
        while rest or (is_started and not unpacker.eof):
            try:
                content = unpacker.decompress(rest, MAX_PIECE_BYTES)
            except zlib.error as error:
                if members:  # padding
                    return
                raise VideoFault("the download could not be unpacked: it is damaged") from error
            is_started = True
            if content:
                yield content
            rest = unpacker.unconsumed_tail
            if unpacker.eof:
                rest, members, is_started = unpacker.unused_data, members + 1, False
                if form != _GZIP:
                    return
                unpacker = zlib.decompressobj(form)
            elif not rest and len(content) < MAX_PIECE_BYTES:
                break
    if is_started or not members:
        raise VideoFault("the download could not be unpacked: it ends too soon")
