"""Removes secrets from text that is logged, stored or published.

Secrets are the presigned URL, each value of its signature, the API key, and anything that looks like one of these. They are
searched in the decoded text (JSON and XML escapes, percent-encoding, line breaks, any case), because a provider's error
message can repeat our request in any encoding.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

from dropreel.domain.encodable import encodable

REMOVED = "[removed]"
"""Replaces a secret."""
WINDOW = 8
"""This many consecutive letters and digits of a known secret are treated as a part of it. A limit of ours."""

# Patterns are compiled at their first use, because most cold starts never need them.
_MAX_DECODINGS = 6
"""How many layers of escapes are decoded: a limit of ours, which bounds the time for any text."""
_ENTITIES = (
    {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'", "equals": "=", "sol": "/", "bsol": "\\"}
    | {"percnt": "%", "num": "#", "quest": "?", "hyphen": "-", "dash": "-", "lowbar": "_", "plus": "+", "colon": ":"}
    | {"period": ".", "comma": ",", "semi": ";", "nbsp": " ", "Tab": " ", "NewLine": " ", "shy": ""}
)
_ESCAPE = (
    r"%(?:u00)?(?P<percent>[0-9A-Fa-f]{2})"
    r"|(?<!\\)\\+"  # a run of backslashes is searched from its first one: from each of them takes seconds
    r"(?:u\{?(?P<code>[0-9A-Fa-f]{4})\}?|x(?P<byte>[0-9A-Fa-f]{2})|(?P<blank>[nrt])|(?P<plain>[^\w\s\\]))"
    r"|&#(?:[xX]0*(?P<hex>[0-9A-Fa-f]{1,4})|0*(?P<decimal>[0-9]{1,5}));?"
    rf"|&(?P<name>{'|'.join(_ENTITIES)});"
    r"|=(?P<soft>\r?\n)"
)
_WIDE = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
"""Full-width forms of ASCII, as used by East Asian software."""

_SIGNED = (
    r"x[-_.]?amz|amz[-_]?(?:signature|credential|security|signedheaders|algorithm|expires|date)"
    r"|aws[-_]?access[-_]?key[-_]?id|aws4[-_]?(?:request|hmac)"
)
"""Parameter names of AWS signatures, in a text without whitespace."""
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
_RANDOM_SHARE = 0.4
"""In a random text of letters and digits, at least this share of the characters differs in kind from the one before."""

_PIECE = r"[!-~]+|[^!-~]+"
_EDGES = "\"'`()[]{}<>.,;:!?*|"
_WORD = r"(?:[A-Z]?[a-z]{1,14}|[A-Z]{1,15}|(?![A-Za-z]{16})[A-Z]+[a-z]{2,}(?:[A-Z][a-z]{2,}){0,2})"
_PLAIN = rf"{_WORD}(?:['_-]{_WORD}){{0,2}}|[1-5][0-9]{{2}}|"
"""What is kept of a text that contains a signed URL: short words and an HTTP status."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text from outside on one line, without secrets, and encodable as UTF-8.

    `secrets` are known secrets that the text can contain: the API key, a presigned URL. `WINDOW` consecutive letters and
    digits of one are removed in any encoding. Unknown secrets are found by their form: signed URLs, values of names such as
    `token`, the query of any URL, and 16 or more characters that look random.
    """
    clean = _one_line(text)
    clean = _replace_spans(clean, _known_secrets(_decoded(clean), _windows(secrets)))
    clean = redact_signed(clean)
    clean = re.sub(_USER, "://", re.sub(_QUERY, rf"\g<before>?{REMOVED}", clean))
    for find in (_named_values, _random_values):
        clean = _replace_spans(clean, find(_decoded(clean)))
    return clean


def redact_signed(text: str) -> str:
    """Return any text without AWS signed URLs in any encoding, and encodable as UTF-8.

    Where there is a signed URL, only plain words and an HTTP status are kept: anything else can be a part of it.
    """
    text = encodable(text)
    if not _may_be_signed(text) or not re.search(_SIGNED, _without_whitespace(text)):
        return text
    kept: list[str] = []
    for piece in re.findall(_PIECE, _visible(text.translate(_WIDE))):
        if _is_kept(piece):
            kept.append(piece)
        elif kept[-2:-1] == [REMOVED] and kept[-1].isspace():
            kept.pop()  # the space between two removed parts
        elif kept[-1:] != [REMOVED]:
            kept.append(REMOVED)
    return "".join(kept)


def holds_signed_address(text: str) -> bool:
    """Return whether a text contains a value of an AWS signature, in any encoding."""
    return _may_be_signed(text) and re.search(_SIGNED_VALUE, _without_whitespace(text)) is not None


def _may_be_signed(text: str) -> bool:
    """Return False quickly for a text that cannot contain a signature, as nearly every text."""
    squeezed = "".join(_visible(text.translate(_WIDE)).split()).lower()
    return any(sign in squeezed for sign in ("amz", "aws", "%", "\\", "&"))


def _is_kept(piece: str) -> bool:
    if not piece.isascii() or piece.isspace():
        return True
    core = piece.strip(_EDGES)
    return re.fullmatch(_PLAIN, core) is not None and not re.search(_SIGNED, core.lower())


def _one_line(text: str) -> str:
    """Replace unpaired surrogates by U+FFFD and control characters by spaces; remove invisible characters."""
    shown = (" " if unicodedata.category(each) == "Cc" else each for each in _visible(encodable(text)))
    return " ".join("".join(shown).translate(_WIDE).split())


def _visible(text: str) -> str:
    return text if text.isascii() else "".join(each for each in text if unicodedata.category(each) != "Cf")


# --- decoding: a text without escapes, and the source position of each character -------------------------------------------

_Decoded = tuple[str, list[int], list[int]]
"""The decoded text, and the start and end of each of its characters in the source text."""


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
        character = _unescaped(found)
        if character:
            characters.append(character)
            new_begins.append(begins[found.start()])
            new_ends.append(ends[found.end() - 1])
    characters.append(text[at:])
    return "".join(characters), new_begins + begins[at:], new_ends + ends[at:]


def _unescaped(escape: re.Match[str]) -> str:
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


def _without_whitespace(text: str) -> str:
    """Return a text decoded, in lower case and without whitespace."""
    return "".join(_visible(_decoded(text.translate(_WIDE))[0]).split()).lower()


def _replace_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace each span by `REMOVED`; adjacent and overlapping spans become one."""
    kept: list[str] = []
    at = 0
    for begin, end in sorted(spans):
        if begin > at or not kept:
            kept += [text[at:begin], REMOVED]
        at = max(at, end)
    kept.append(text[at:])
    return "".join(kept)


# --- detection of secrets -------------------------------------------------------------------------------------------------


def _windows(secrets: Iterable[str]) -> set[str]:
    """Return every `WINDOW` consecutive letters and digits of the secrets; a shorter secret as a whole."""
    found = set()
    for value in _values(secrets):
        letters = "".join(each for each in _decoded(value)[0].lower() if each.isascii() and each.isalnum())
        if len(letters) >= WINDOW:
            found |= {letters[at : at + WINDOW] for at in range(len(letters) - WINDOW + 1)}
        elif len(letters) > WINDOW // 2:
            found.add(letters)
    return found


def _values(secrets: Iterable[str]) -> Iterator[str]:
    """Yield the secrets; for a presigned URL, only the secret values of its query, as its path is the image's key."""
    for secret in secrets:
        if "://" not in secret:
            yield secret
            continue
        for name, value in parse_qsl(urlsplit(secret).query):
            bare = name.lower().replace("-", "")
            if bare.endswith(("signature", "token", "accesskeyid")):
                yield value
            elif bare.endswith("credential"):
                yield value.partition("/")[
                    0
                ]  # after the access key id come the date and the region, which are not secret


def _known_secrets(decoded: _Decoded, windows: set[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans of known secrets, with any whitespace and punctuation between their letters."""
    text, begins, ends = decoded
    places = [place for place, each in enumerate(text) if each.isascii() and each.isalnum()]
    letters = "".join(text[place] for place in places).lower()
    for width in {len(window) for window in windows}:
        for at in range(len(letters) - width + 1):
            if letters[at : at + width] in windows:
                yield begins[places[at]], ends[places[at + width - 1]]


def _named_values(decoded: _Decoded) -> Iterator[tuple[int, int]]:
    """Yield the spans of values that follow a secret's name, such as `token=`."""
    text, begins, ends = decoded
    for found in re.finditer(_NAMED, text):
        begin, end = found.span(found.lastgroup or 0)
        yield begins[begin], ends[end - 1]


def _random_values(decoded: _Decoded) -> Iterator[tuple[int, int]]:
    """Yield the spans of what looks like a signature, token or key: long hexadecimal numbers, random letters and digits."""
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
    return len({*kinds}) == 3 and changes >= _RANDOM_SHARE * len(kinds)
