"""Whether a GIF is animated. Source: GIF89a (blocks). Image data is not decoded."""

_IMAGE, _EXTENSION = 0x2C, 0x21


def is_animated_gif(content: bytes) -> bool:
    """Return whether there is a second picture. It never raises: what is not a GIF's block ends the search."""
    at, pictures = 13 + _palette_bytes(content[10:11]), 0
    while at < len(content):
        if content[at] == _IMAGE:
            pictures += 1
            if pictures == 2:
                return True
            at += 11 + _palette_bytes(content[at + 9 : at + 10])
        elif content[at] == _EXTENSION:
            at += 2
        else:
            return False
        while at < len(content) and content[at]:
            at += 1 + content[at]
        at += 1
    return False


def _palette_bytes(flags: bytes) -> int:
    """Return the length of the palette that these flags announce."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0
