"""What HEIC and AVIF say about their picture outside of its data. Source: ISO/IEC 14496-12 (boxes) and 23008-12 (items).

Decoders fill what is missing at the end of a file with gray: whether all data is there is read from the boxes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dropreel.media.images.parsed_image import UnreadableImage, damaged, truncated

_UNSPECIFIED = 2
_MAX_LIST_BYTES = 1024 * 1024
"""A longer list of references or associations is not read. Pictures have some kilobytes."""
_MAX_PROPERTIES = 0x7FFF
"""An item's property has an index of up to 15 bits."""
_Range = tuple[int, int]


@dataclass(frozen=True)
class HeifFacts:
    """The primary item's code points of H.273 for its colors, the bytes that a pixel has in the decoder's planes, a size.

    `size` is the largest among the primary item's and those of the items that it is decoded from: tiles and auxiliary images.
    """

    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    plane_bytes: float = 1.5
    size: tuple[int, int] = (1, 1)


def read_heif(content: bytes, name: str) -> HeifFacts:
    """Return the facts of a HEIC or AVIF file. Raises UnreadableImage where its `meta` box or an item's data is not in the file.

    What follows the `meta` box and the items' data does not count: cameras append data that is not in boxes.
    """
    meta = None
    try:
        for kind, start, end in _boxes(content, 0, len(content), name):
            if kind == b"meta" and meta is None:
                meta = start + 4, end
    except UnreadableImage:
        if meta is None:
            raise
    if meta is None:
        if content[8:12] in (b"avis", b"msf1", b"hevc", b"hevx"):
            return HeifFacts()
        raise damaged(name, "it has no picture")
    found: dict[bytes, _Range] = {}
    for kind, start, end in _boxes(content, *meta, name):
        if kind == b"iloc":
            _check_extents(content, start, end, name)
        elif kind in (b"pitm", b"iref", b"iprp"):
            found.setdefault(kind, (start, end))
    return _read_properties(content, found, name) if b"iprp" in found else HeifFacts()


class _Numbers:
    """Reads the numbers of a box one after the other. Raises UnreadableImage behind its end."""

    def __init__(self, content: bytes, start: int, end: int, name: str) -> None:
        self._content, self._at, self._end, self._name = content, start, end, name

    def next(self, size: int) -> int:
        if self._at + size > self._end:
            raise damaged(self._name, "its list of items is cut")
        self._at += size
        return int.from_bytes(self._content[self._at - size : self._at], "big")


def _boxes(content: bytes, position: int, end: int, name: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, payload start, payload end) of each box. Raises UnreadableImage where one ends outside of what holds it."""
    while position + 8 <= end:
        size, kind, start = (
            int.from_bytes(content[position : position + 4], "big"),
            content[position + 4 : position + 8],
            8,
        )
        if size == 1:
            size, start = int.from_bytes(content[position + 8 : position + 16], "big"), 16
        elif size == 0:
            size = end - position
        if size < start:
            raise damaged(name, f"the box at byte {position:,} has {size} bytes")
        if position + size > end:
            if end == len(content):
                raise truncated(name, f"the box at byte {position:,} has {size:,} bytes, the file has {len(content):,}")
            raise damaged(name, f"the box at byte {position:,} ends outside of its box")
        yield kind, position + start, position + size
        position += size


def _check_extents(content: bytes, start: int, end: int, name: str) -> None:
    """Raise UnreadableImage where an item's data lies outside of the file."""
    version = content[start]
    offset_size, length_size = content[start + 4] >> 4, content[start + 4] & 15
    base_size, index_size = content[start + 5] >> 4, content[start + 5] & 15 if version else 0
    number = _Numbers(content, start + 6, end, name).next
    for _item in range(number(4 if version == 2 else 2)):
        number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        for _extent in range(number(2)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if method == 0 and base + offset + length > len(content):
                needed = base + offset + length
                raise truncated(name, f"its picture ends at byte {needed:,}, the file has {len(content):,}")


def _read_properties(content: bytes, found: dict[bytes, _Range], name: str) -> HeifFacts:
    properties: list[tuple[bytes, bytes]] = []
    lists: list[_Range] = []
    for kind, inner, inner_end in _boxes(content, *found[b"iprp"], name):
        if kind == b"ipma":
            lists.append((inner, inner_end))
        elif kind == b"ipco":
            for property_kind, at, at_end in _boxes(content, inner, inner_end, name):
                if len(properties) == _MAX_PROPERTIES:
                    raise damaged(name, f"it has more than {_MAX_PROPERTIES:,} properties")
                properties.append((property_kind, content[at : min(at_end, at + 32)]))
    plane_bytes = 0.0
    for kind, payload in properties:
        if kind == b"av1C" and len(payload) >= 4:
            plane_bytes = max(plane_bytes, _av1_plane_bytes(payload[2]))
        elif kind == b"hvcC" and len(payload) >= 18:
            plane_bytes = max(plane_bytes, _hevc_plane_bytes(payload))
    own: list[tuple[bytes, bytes]] = []
    decoded = properties
    try:
        primary = _primary_item(content, found, name)
        items = _decoded_items(content, primary, found.get(b"iref"), name)
        associations = _associations(content, lists, name)
        if primary in associations:
            own, decoded = (
                [
                    properties[at - 1]
                    for item in chosen
                    for at in associations.get(item, [])
                    if 0 < at <= len(properties)
                ]
                for chosen in ([primary], items)
            )
    except UnreadableImage:
        pass  # any item may be the picture: the largest size counts, no colors do
    primaries, transfer = _code_points(own)
    return HeifFacts(primaries, transfer, plane_bytes or 6, _largest_size(decoded))


def _primary_item(content: bytes, found: dict[bytes, _Range], name: str) -> int:
    if b"pitm" not in found:
        raise damaged(name, "it has no primary item")
    number = _Numbers(content, *found[b"pitm"], name).next
    return number(4 if number(4) >> 24 else 2)


def _decoded_items(content: bytes, primary: int, references: _Range | None, name: str) -> set[int]:
    """Return the primary item, the items that it is derived from, and their auxiliary images (alpha is one)."""
    needs: dict[int, list[int]] = {}
    if references is not None:
        start, end = references
        _check_length(references, name=name)
        id_size = 4 if _Numbers(content, start, end, name).next(4) >> 24 else 2
        for kind, at, at_end in _boxes(content, start + 4, end, name):
            number = _Numbers(content, at, at_end, name).next
            item = number(id_size)
            others = [number(id_size) for _other in range(number(2))]
            if kind == b"dimg":
                needs.setdefault(item, []).extend(others)
            elif kind == b"auxl":
                for other in others:
                    needs.setdefault(other, []).append(item)
    items, waiting = {primary}, [primary]
    while waiting:
        more = set(needs.get(waiting.pop(), ())) - items
        items |= more
        waiting += more
    return items


def _associations(content: bytes, lists: list[_Range], name: str) -> dict[int, list[int]]:
    """Return the indexes of each item's properties, counted from 1."""
    found: dict[int, list[int]] = {}
    _check_length(*lists, name=name)
    for start, end in lists:
        number = _Numbers(content, start, end, name).next
        version_and_flags = number(4)
        id_size, index_size = 4 if version_and_flags >> 24 else 2, 2 if version_and_flags & 1 else 1
        last = 0x7FFF if index_size == 2 else 0x7F  # the highest bit says that the property is essential
        for _item in range(number(4)):
            indexes = found.setdefault(number(id_size), [])
            indexes += [number(index_size) & last for _property in range(number(1))]
    return found


def _check_length(*lists: _Range, name: str) -> None:
    if sum(end - start for start, end in lists) > _MAX_LIST_BYTES:
        raise damaged(name, "its lists of items are too long")


def _code_points(properties: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    for kind, payload in properties:
        if kind == b"colr" and payload[:4] == b"nclx" and len(payload) >= 8:
            primaries, transfer = int.from_bytes(payload[4:6], "big"), int.from_bytes(payload[6:8], "big")
            if primaries != _UNSPECIFIED:
                return primaries, transfer
    return _UNSPECIFIED, _UNSPECIFIED


def _largest_size(properties: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    sizes = [
        (int.from_bytes(payload[4:8], "big"), int.from_bytes(payload[8:12], "big"))
        for kind, payload in properties
        if kind == b"ispe" and len(payload) >= 12
    ]
    return max([(1, 1), *sizes], key=lambda size: size[0] * size[1])


def _av1_plane_bytes(flags: int) -> float:
    planes = 1.0 if flags & 0x10 else {0b11: 1.5, 0b10: 2.0}.get(flags >> 2 & 3, 3.0)
    return planes * (2 if flags & 0x40 else 1)


def _hevc_plane_bytes(configuration: bytes) -> float:
    planes = {0: 1.0, 1: 1.5, 2: 2.0}.get(configuration[16] & 3, 3.0)
    return planes * (2 if configuration[17] & 7 else 1)
