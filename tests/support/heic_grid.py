"""HEIC files as phones write them: a grid of HEVC tiles, made of a few encoded tiles. Source: ISO/IEC 23008-12 and 14496-12."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from struct import pack

import pillow_heif
from PIL import Image

TILE = 512
"""Pixels in each direction of a tile: what Apple's phones use."""


@dataclass(frozen=True)
class Tile:
    """One encoded tile: its decoder configuration (an `hvcC` box) and its data."""

    configuration: bytes
    data: bytes


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of this type."""
    payload = b"".join(parts)
    return pack(">I4s", 8 + len(payload), kind) + payload


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a box of this type that has a version and flags."""
    return box(kind, pack(">I", version << 24 | flags), *parts)


def encode_tile(picture: Image.Image, quality: int = 80) -> Tile:
    """Return an RGB picture of `TILE` x `TILE` pixels as a tile, with pillow_heif's encoder."""
    written = BytesIO()
    encoded = pillow_heif.from_pillow(picture)
    encoded.save(written, quality=quality)
    content = written.getvalue()
    start = content.index(b"hvcC") - 4
    configuration = content[start : start + int.from_bytes(content[start : start + 4], "big")]
    media = content.index(b"mdat") - 4
    return Tile(configuration, content[media + 8 : media + int.from_bytes(content[media : media + 4], "big")])


def grid_heic(
    tiles: Sequence[Tile], width: int, height: int, properties: Sequence[bytes] = (), tile_size: int = TILE
) -> bytes:
    """Return a HEIC of `width` x `height` pixels. Its grid is filled with these tiles by turns.

    `properties` are those of the grid beside its size: `colr`, `irot` or `imir` boxes, in the order of their application.
    """
    columns, rows = -(-width // tile_size), -(-height // tile_size)
    count = columns * rows
    descriptor = pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    grid_item = count + 1
    shared = [tiles[0].configuration, _size(tile_size, tile_size), _size(width, height), *properties]
    own = [3 + at for at in range(len(properties) + 1)]
    associations = [pack(">HB", item, 2) + bytes((0x81, 2)) for item in range(1, grid_item)]
    associations.append(pack(">HB", grid_item, len(own)) + bytes(own))
    items = [full_box(b"infe", 2, 1, pack(">HH4sx", item, 0, b"hvc1")) for item in range(1, grid_item)]
    items.append(full_box(b"infe", 2, 0, pack(">HH4sx", grid_item, 0, b"grid")))
    starts, stored = [], descriptor
    for tile in tiles:
        starts.append((len(stored), len(tile.data)))
        stored += tile.data

    def meta(offset: int) -> bytes:
        places = [(grid_item, 0, len(descriptor))] + [(at + 1, *starts[at % len(tiles)]) for at in range(count)]
        located = [pack(">HHHII", item, 0, 1, offset + start, length) for item, start, length in places]
        return full_box(
            b"meta", 0, 0,
            full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", 0, 0, pack(">H", grid_item)),
            full_box(b"iloc", 0, 0, pack(">BBH", 0x44, 0, grid_item), *located),
            full_box(b"iinf", 0, 0, pack(">H", grid_item), *items),
            full_box(b"iref", 0, 0, box(b"dimg", pack(f">HH{count}H", grid_item, count, *range(1, grid_item)))),
            box(b"iprp", box(b"ipco", *shared), full_box(b"ipma", 0, 0, pack(">I", grid_item), *associations)),
        )  # fmt: skip

    brands = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    return brands + meta(len(brands) + len(meta(0)) + 8) + box(b"mdat", stored)


def _size(width: int, height: int) -> bytes:
    return full_box(b"ispe", 0, 0, pack(">II", width, height))
