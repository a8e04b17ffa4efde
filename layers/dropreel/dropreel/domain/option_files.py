"""Sidecars and folder defaults: which files belong to an image, and what is in them."""

import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from dropreel.domain.messages import MAX_KEY_BYTES
from dropreel.domain.options import Fault, Place

MAX_FILE_BYTES = 64_000
"""The largest sidecar or folder file that is read, in bytes: a limit of ours, "64 kB" in the stricter reading."""
MAX_FOLDERS = 50
"""How many folders of an image are looked at, the nearest and the bucket itself: a limit of ours."""
MAX_SPELLINGS = 4
"""How many spellings of one folder that are there side by side are looked into, the image's own first: a limit of ours."""
FOLDER_STEM, ENDING = "dropreel", ".json"
"""A folder's defaults are the one followed by the other; so is a sidecar behind its image's key."""
_MAX_SHOWN = 60

ListKeys = Callable[[str, str, int], tuple[list[str], bool]]
"""Called with a prefix, a key to start after ("" for none) and how many keys are wanted at most.

Returns keys in the order of their UTF-8 bytes, and whether there are more, as S3's ListObjectsV2 does.
"""


def find_option_keys(image_key: str, list_keys: ListKeys) -> list[str]:
    """Return the keys of the files that are there and may hold an image's options, the most specific first.

    Where one file is there in several spellings, the one that is spelled as the image's key and ends in `.json` comes first.
    It takes one list request for the sidecar and one a folder. A name with other spellings (see `spellings`) takes one more for
    each of them, and so does each folder that is there twice.
    """
    *folders, name = image_key.split("/")
    paths = [""]
    found = [_spelled([FOLDER_STEM], list_keys)]
    for left, folder in zip(range(len(folders), 0, -1), folders, strict=True):
        is_near = left < MAX_FOLDERS
        paths = _paths_below(paths, spellings(folder) if is_near else [folder], list_keys)
        if is_near:
            found.append(_spelled([f"{path}{FOLDER_STEM}" for path in paths], list_keys))
    found.append(_spelled([path + spelling for path in paths for spelling in spellings(name)], list_keys))
    return list(dict.fromkeys(itertools.chain.from_iterable(reversed(found))))


def is_folder_file(key: str) -> bool:
    """Tell whether a key is one of a folder's defaults."""
    name = key.rpartition("/")[2]
    return name.startswith(FOLDER_STEM) and name.removeprefix(FOLDER_STEM).lower() == ENDING


def spellings(name: str) -> list[str]:
    """Return the ways in which systems write a name, as it stands first: composed (NFC) and decomposed (NFD) are one to people.

    File systems of Macs decompose all but the characters of `_KEPT_BY_MACS`, whose composition no other system undoes.
    """
    if name.isascii():
        return [name]
    parts = _KEPT_BY_MACS.split(name)
    forms = [name]
    for form in ("NFC", "NFD"):
        forms += [unicodedata.normalize(form, name), "".join(_normalized(form, part) for part in parts)]
    return list(dict.fromkeys(forms))


_KEPT_BY_MACS = re.compile("([\u2000-\u2fff\uf900-\ufaff\U0002f800-\U0002faff]+)")


def _normalized(form: Any, part: str) -> str:
    return part if _KEPT_BY_MACS.fullmatch(part) else unicodedata.normalize(form, part)


def _paths_below(paths: list[str], folder: list[str], list_keys: ListKeys) -> list[str]:
    """Return the spellings of a folder's path that are there. The first is the image's own, which is there for sure."""
    own, *others = [f"{path}{spelling}/" for path in paths for spelling in folder]
    there = (path for path in others if len(path.encode()) < MAX_KEY_BYTES and list_keys(path, "", 1)[0])
    return [own, *itertools.islice(there, MAX_SPELLINGS - 1)]


def _spelled(stems: list[str], list_keys: ListKeys) -> list[str]:
    """Return the keys that are there and are one of these stems with the ending in any case, in the order of the stems."""
    return [
        key
        for stem in stems
        if len(stem.encode()) + len(ENDING) <= MAX_KEY_BYTES
        for key in sorted(_with_ending(stem, list_keys), key=lambda key: (not key.endswith(ENDING), key))
    ]


def _with_ending(stem: str, list_keys: ListKeys) -> Iterator[str]:
    """Yield the keys that are there. S3 cannot be asked in any case, so that all that begins with `stem.` is listed.

    That is one page, but where more than a thousand keys begin so; then as much as can be is passed over.
    """
    wanted = [stem + ending for ending in _ENDINGS]
    after = ""
    while wanted:
        keys, more = list_keys(f"{stem}.", after, _PAGE)
        yield from (key for key in keys if key in wanted)
        if not (keys and more):
            return
        wanted = [key for key in wanted if key > keys[-1]]
        if wanted:
            just_before = f"{wanted[0][:-1]}{chr(ord(wanted[0][-1]) - 1)}~"
            after = max(keys[-1], just_before)


_PAGE = 1000
_ENDINGS = sorted({"".join(letters) for letters in itertools.product(*zip(ENDING, ENDING.upper(), strict=True))})


def place_of(key: str, content: bytes) -> Place | Fault:
    """Decode one file's content (at most `MAX_FILE_BYTES` + 1 bytes of it) into a place for options, or say what is wrong."""
    if len(content) > MAX_FILE_BYTES:
        return Fault(key, "", f"it is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Fault(key, "", f"it is not UTF-8 text (byte {error.start:,})")
    try:
        values = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return Fault(key, "", f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})")
    except (ValueError, RecursionError) as error:
        return Fault(key, "", f"it is not JSON that can be used ({error})")
    if not isinstance(values, dict):
        return Fault(key, "", 'it must hold one JSON object such as {"prompt": "slow zoom in"}')
    return Place(key, values)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{_shown(name)} is there twice")
        values[name] = value
    return values


def _shown(name: str) -> str:
    """Return a name so that it fits into a message and can be encoded: JSON can spell half a surrogate pair."""
    text = repr(name)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
