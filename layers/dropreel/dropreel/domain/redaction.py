"""Keeps secrets out of what is logged, stored and published, whoever wrote them there and however they are spelled.

Secret are our presigned address and every value of its signature, the API key, and anything that looks like either. They
are looked for in the text with its escapes undone (JSON, percent-encoding, XML, line breaks, any case), since a provider
repeats what it was sent in whatever form its own software prints.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

from dropreel.domain.encodable import encodable

REMOVED = "[removed]"
"""What stands in place of a secret."""
WINDOW = 8
"""So many letters and digits in a row of a known secret are taken for a part of it. A limit of ours."""

# The patterns are texts, compiled when they are first needed: most starts of a function never need them.
_MAX_DECODINGS = 6
"""How many layers of escapes are undone: a limit of ours, so that no text can keep us busy."""
_ENTITIES = (
    {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "equals": "=", "sol": "/", "bsol": "\\"}
    | {"percnt": "%", "num": "#", "quest": "?", "hyphen": "-", "dash": "-", "lowbar": "_", "plus": "+", "colon": ":"}
    | {"period": ".", "comma": ",", "semi": ";", "nbsp": " ", "Tab": " ", "NewLine": " ", "shy": ""}
)
_ESCAPE = (
    r"%(?:u00)?(?P<percent>[0-9A-Fa-f]{2})"
    r"|\\+(?:u\{?(?P<code>[0-9A-Fa-f]{4})\}?|x(?P<byte>[0-9A-Fa-f]{2}))"
    r"|\\+(?P<blank>[nrt])"
    r"|\\+(?P<plain>[^\w\s\\])"
    r"|&#(?:[xX]0*(?P<hex>[0-9A-Fa-f]{1,4})|0*(?P<decimal>[0-9]{1,5}));?"
    rf"|&(?P<name>{'|'.join(_ENTITIES)});"
    r"|=(?P<soft>\r?\n)"
)
_WIDE = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
"""Full-width forms of ASCII, as East Asian software writes it."""

_SIGNED = (
    r"x[-_.]?amz|amz[-_]?(?:signature|credential|security|signedheaders|algorithm|expires|date)"
    r"|aws[-_]?access[-_]?key[-_]?id|aws4[-_]?(?:request|hmac)"
)
"""The names that only a signature of AWS brings, in a text without blanks."""
_SIGNED_VALUE = (
    r"(?:amz[-_]?(?:signature|credential|security[-_]?token)|aws[-_]?access[-_]?key[-_]?id)"
    r"[\"'\]>]*[=:][\"'\[<]*[\w/+%]{4}"
)
_NAMED = (
    r"(?i)(?:signature|\bsig|credential|token|api[-_]?key|key[-_](?:pair[-_])?id|authorization|secret|password)"
    r"[\"'\]]?\s?[=:]\s?[\"'\[]?(?:bearer\s|basic\s)?(?P<value>(?=[^\s&\"']*[0-9])[^\s&\"'<>]{8,})"
    r"|\bbearer\s+(?P<bearer>(?=\S*[0-9])[^\s\"'<>,;]{6,})"
)
_QUERY = r"(?P<before>\b[A-Za-z][A-Za-z0-9+.-]{1,10}://[^\s?\"'<>]*)\?[^\s\"'<>]+"
_USER = r"://[^\s/@?#\"'<>]+@"
_RUN = r"[A-Za-z0-9+/=]{16,}"
_HEX_RUN = r"(?=[0-9]{0,40}[A-Fa-f])(?=[A-Fa-f]{0,40}[0-9])[0-9A-Fa-f]{16,}"
_HEX_PIECES = r"(?<![0-9A-Za-z])[0-9a-fA-F]{3,15}(?:\s[0-9a-fA-F]{3,15})+(?![0-9A-Za-z])"
_OPAQUE_SHARE = 0.4
"""In a random text of letters and digits, more than so many of its characters are of another kind than the one before."""

_PIECE = r"[!-~]+|[^!-~]+"
_EDGES = "\"'`()[]{}<>.,;:!?*|"
_WORD = r"(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,15}|(?![A-Za-z]{16})[A-Z]+[a-z]{2,}(?:[A-Z][a-z]{2,}){0,2})"
_PLAIN = rf"{_WORD}(?:['_-]{_WORD}){{0,2}}|[1-5][0-9]{{2}}|"
"""What stays of a text that holds a signed address: short words and an HTTP status."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text from outside on one line, without anything secret and without what cannot be encoded.

    `secrets` are those that its writer may have seen: the API key, a signed address. Eight letters and digits of one in a
    row are enough to be removed, however the rest is spelled. What is not known is found by its form: any signed address,
    the values of names such as token, a query of any address, and 16 or more characters that look random.
    """
    clean = _one_line(text)
    clean = _without(clean, _known(_decoded(clean), _windows(secrets)))
    clean = redact_signed(clean)
    clean = re.sub(_USER, "://", re.sub(_QUERY, rf"\g<before>?{REMOVED}", clean))
    for find in (_named, _opaque):
        clean = _without(clean, find(_decoded(clean)))
    return clean


def redact_signed(text: str) -> str:
    """Return a text of ours or of anybody's without a signed address of AWS in any spelling, and so that it can be encoded.

    Where there is such an address, only plain words and an HTTP status are kept: nothing else can be told from a part of it.
    """
    text = encodable(text)
    if not _may_be_signed(text) or not re.search(_SIGNED, _blankless(text)):
        return text
    kept: list[str] = []
    for piece in re.findall(_PIECE, _visible(text.translate(_WIDE))):
        if _is_kept(piece):
            kept.append(piece)
        elif kept[-2:-1] == [REMOVED] and kept[-1].isspace():
            kept.pop()  # the blank between two that were removed
        elif kept[-1:] != [REMOVED]:
            kept.append(REMOVED)
    return "".join(kept)


def holds_signed_address(text: str) -> bool:
    """Tell whether a text holds a value of a signature of AWS, in any spelling."""
    return _may_be_signed(text) and re.search(_SIGNED_VALUE, _blankless(text)) is not None


def _may_be_signed(text: str) -> bool:
    """Tell quickly whether a text is worth a closer look: nearly none is."""
    squeezed = "".join(_visible(text.translate(_WIDE)).split()).lower()
    return any(sign in squeezed for sign in ("amz", "aws", "%", "\\", "&"))


def _is_kept(piece: str) -> bool:
    if not piece.isascii() or piece.isspace():
        return True
    core = piece.strip(_EDGES)
    return re.fullmatch(_PLAIN, core) is not None and not re.search(_SIGNED, core.lower())


def _one_line(text: str) -> str:
    """Half surrogate pairs, which no request can carry, become U+FFFD, control characters blanks, and the invisible nothing."""
    shown = (" " if unicodedata.category(each) == "Cc" else each for each in _visible(encodable(text)))
    return " ".join("".join(shown).translate(_WIDE).split())


def _visible(text: str) -> str:
    return text if text.isascii() else "".join(each for each in text if unicodedata.category(each) != "Cf")


# --- a text with its escapes undone, and where each character of it stands ------------------------------------------------

_Decoded = tuple[str, list[int], list[int]]
"""The characters, and for each where it begins and ends in the text that it was decoded from."""


def _decoded(text: str) -> _Decoded:
    decoded: _Decoded = (text, list(range(len(text))), list(range(1, len(text) + 1)))
    for _ in range(_MAX_DECODINGS):
        if not re.search(_ESCAPE, decoded[0]):
            break
        decoded = _decoded_once(decoded)
    return decoded


def _decoded_once(decoded: _Decoded) -> _Decoded:
    text, begins, ends = decoded
    characters: list[str] = []
    new_begins: list[int] = []
    new_ends: list[int] = []
    at = 0
    for found in re.finditer(_ESCAPE, text):
        stays = slice(at, found.start())
        characters.append(text[stays])
        new_begins += begins[stays]
        new_ends += ends[stays]
        at = found.end()
        character = _meant(found)
        if character:
            characters.append(character)
            new_begins.append(begins[found.start()])
            new_ends.append(ends[found.end() - 1])
    characters.append(text[at:])
    return "".join(characters), new_begins + begins[at:], new_ends + ends[at:]


def _meant(escape: re.Match[str]) -> str:
    kind = escape.lastgroup or ""
    value = escape[kind]
    match kind:
        case "percent" | "code" | "byte" | "hex":
            return chr(int(value, 16)).translate(_WIDE)
        case "decimal":
            return chr(int(value)).translate(_WIDE)
        case "plain":
            return value
        case "name":
            return _ENTITIES[value]
    return " "


def _blankless(text: str) -> str:
    """Return a text decoded, in lower case and without blanks."""
    return "".join(_visible(_decoded(text.translate(_WIDE))[0]).split()).lower()


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Put `REMOVED` in place of each span; spans that touch become one."""
    kept: list[str] = []
    at = 0
    for begin, end in sorted(spans):
        if begin > at or not kept:
            kept += [text[at:begin], REMOVED]
        at = max(at, end)
    kept.append(text[at:])
    return "".join(kept)


# --- what is secret in it -------------------------------------------------------------------------------------------------


def _windows(secrets: Iterable[str]) -> set[str]:
    """Return every `WINDOW` letters and digits in a row of the secrets; a shorter secret as a whole."""
    found = set()
    for value in _values(secrets):
        letters = "".join(each for each in _decoded(value)[0].lower() if each.isascii() and each.isalnum())
        if len(letters) >= WINDOW:
            found |= {letters[at : at + WINDOW] for at in range(len(letters) - WINDOW + 1)}
        elif len(letters) > WINDOW // 2:
            found.add(letters)
    return found


def _values(secrets: Iterable[str]) -> Iterator[str]:
    """Yield the secrets, and in place of a signed address what is secret in it: its path is our image's own name."""
    for secret in secrets:
        if "://" not in secret:
            yield secret
            continue
        for name, value in parse_qsl(urlsplit(secret).query):
            bare = name.lower().replace("-", "")
            if bare.endswith(("signature", "token", "accesskeyid")):
                yield value
            elif bare.endswith("credential"):
                yield value.partition("/")[0]  # behind the key's id stand a day and a region, which are no secrets


def _known(decoded: _Decoded, windows: set[str]) -> Iterator[tuple[int, int]]:
    """Yield where windows of known secrets stand, whatever blanks and signs are between their letters."""
    text, begins, ends = decoded
    places = [place for place, each in enumerate(text) if each.isascii() and each.isalnum()]
    letters = "".join(text[place] for place in places).lower()
    for width in {len(window) for window in windows}:
        for at in range(len(letters) - width + 1):
            if letters[at : at + width] in windows:
                yield begins[places[at]], ends[places[at + width - 1]]


def _named(decoded: _Decoded) -> Iterator[tuple[int, int]]:
    """Yield the values of what is named as a secret."""
    text, begins, ends = decoded
    for found in re.finditer(_NAMED, text):
        begin, end = found.span(found.lastgroup or 0)
        yield begins[begin], ends[end - 1]


def _opaque(decoded: _Decoded) -> Iterator[tuple[int, int]]:
    """Yield what looks like a signature, a token or a key: long hexadecimal numbers, and letters and digits without an order."""
    text, begins, ends = decoded
    for found in re.finditer(_RUN, text):
        if re.search(_HEX_RUN, found[0]) or _looks_random(found[0]):
            yield begins[found.start()], ends[found.end() - 1]
    for found in re.finditer(_HEX_PIECES, text):
        if re.fullmatch(_HEX_RUN, "".join(found[0].split())):
            yield begins[found.start()], ends[found.end() - 1]


def _looks_random(run: str) -> bool:
    kinds = ["d" if each.isdigit() else "u" if each.isupper() else "l" for each in run if each.isalnum()]
    changes = sum(one != other for one, other in pairwise(kinds))
    return len({*kinds}) == 3 and changes >= _OPAQUE_SHARE * len(kinds)
