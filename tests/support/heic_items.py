"""HEIC files made of given items. Source: ISO/IEC 23008-12 and 14496-12."""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

from tests.support.heic_grid import box, full_box


@dataclass(frozen=True)
class Item:
    """An item: its number, its data and the boxes of its properties. `references` are (type, numbers of items)."""

    number: int
    data: bytes = b"data"
    properties: Sequence[bytes] = ()
    references: Sequence[tuple[bytes, Sequence[int]]] = ()
    kind: bytes = b"hvc1"
    flags: int = 0


def nclx(primaries: int, transfer: int) -> bytes:
    """Return a `colr` box of code points."""
    return box(b"colr", b"nclx", pack(">HHHB", primaries, transfer, 6, 0x80))


def size(width: int, height: int) -> bytes:
    """Return an `ispe` box."""
    return full_box(b"ispe", 0, 0, pack(">II", width, height))


def heic_of(
    items: Sequence[Item], primary: int = 1, *, version: int = 0, wide: bool = False, without: Sequence[bytes] = ()
) -> bytes:
    """Return a HEIC of these items, the properties in the order of the items.

    `version` is that of `pitm`, `iref` and `ipma`; with `wide`, indexes have 15 bits. `without` leaves boxes out.
    """
    item_format = "I" if version else "H"
    properties = list(dict.fromkeys(at for item in items for at in item.properties))
    associations = [
        pack(f">{item_format}B", item.number, len(item.properties))
        + b"".join(pack(">H" if wide else ">B", properties.index(at) + 1) for at in item.properties)
        for item in items
    ]
    references = [
        box(kind, pack(f">{item_format}H{len(to)}{item_format}", item.number, len(to), *to))
        for item in items
        for kind, to in item.references
    ]
    infos = [full_box(b"infe", 2, item.flags, pack(">HH4sx", item.number, 0, item.kind)) for item in items]

    def meta(offset: int) -> bytes:
        places, at = [], offset
        for item in items:
            places.append(pack(">HHHII", item.number, 0, 1, at, len(item.data)))
            at += len(item.data)
        boxes = {
            b"hdlr": full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            b"pitm": full_box(b"pitm", version, 0, pack(f">{item_format}", primary)),
            b"iloc": full_box(b"iloc", 0, 0, pack(">BBH", 0x44, 0, len(items)), *places),
            b"iinf": full_box(b"iinf", 0, 0, pack(">H", len(items)), *infos),
            b"iref": full_box(b"iref", version, 0, *references),
        }
        lists = full_box(b"ipma", version, int(wide), pack(">I", len(items)), *associations)
        boxes[b"iprp"] = box(b"iprp", box(b"ipco", *properties), b"" if b"ipma" in without else lists)
        return full_box(b"meta", 0, 0, *(content for kind, content in boxes.items() if kind not in without))

    brands = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    return brands + meta(len(brands) + len(meta(0)) + 8) + box(b"mdat", *(item.data for item in items))
