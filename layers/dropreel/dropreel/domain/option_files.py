"""Sidecars and folder defaults: finds the files of an image and decodes them."""

import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from dropreel.domain.messages import MAX_KEY_BYTES
from dropreel.domain.option_places import Fault, Place

MAX_FILE_BYTES = 64_000
"""The largest sidecar or folder file, in bytes: a limit of ours."""
MAX_FOLDERS = 50
"""How many folders of an image are searched: the nearest ones, and the bucket's root. A limit of ours."""
MAX_SPELLINGS = 4
"""How many existing spellings of one folder's path are searched, the image's own first. A limit of ours."""
FOLDER_STEM, ENDING = "dropreel", ".json"
"""A folder's defaults are in `dropreel.json`; a sidecar is the image's key with `.json` appended."""
_MAX_SHOWN = 60

ListKeys = Callable[[str, str, int], tuple[list[str], bool]]
"""Called with a prefix, a key to start after ("" for none) and the maximum number of keys.

Returns keys in UTF-8 byte order, and whether there are more, like S3's ListObjectsV2.
"""


def find_option_keys(image_key: str, list_keys: ListKeys) -> list[str]:
    """Return the keys of the existing option files of an image, the most specific first.

    Where a file exists in several spellings, the one spelled like the image's key and with `.json` comes first. It takes one
    list request for the sidecar and one for each folder, and one more for each other spelling of a name (see `spellings`)
    and for each folder that exists in two spellings.
    """
    *folders, name = image_key.split("/")
    paths = [""]
    found = [_existing_keys([FOLDER_STEM], list_keys)]
    for left, folder in zip(range(len(folders), 0, -1), folders, strict=True):
        is_near = left < MAX_FOLDERS
        paths = _existing_paths(paths, spellings(folder) if is_near else [folder], list_keys)
        if is_near:
            found.append(_existing_keys([f"{path}{FOLDER_STEM}" for path in paths], list_keys))
    found.append(_existing_keys([path + spelling for path in paths for spelling in spellings(name)], list_keys))
    return list(dict.fromkeys(itertools.chain.from_iterable(reversed(found))))


def is_folder_file(key: str) -> bool:
    """Return whether a key is a folder's defaults file."""
    name = key.rpartition("/")[2]
    return name.startswith(FOLDER_STEM) and name.removeprefix(FOLDER_STEM).lower() == ENDING


def spellings(name: str) -> list[str]:
    """Return the Unicode spellings of a name that look the same: the name as it is, then its NFC and NFD forms.

    macOS file systems do not decompose the characters of `_KEPT_BY_MACS`, so the forms that keep these are included.
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


def _existing_paths(paths: list[str], folder: list[str], list_keys: ListKeys) -> list[str]:
    """Return the existing spellings of a folder's path, at most `MAX_SPELLINGS`. The first is the image's own."""
    own, *others = [f"{path}{spelling}/" for path in paths for spelling in folder]
    existing = (path for path in others if len(path.encode()) < MAX_KEY_BYTES and list_keys(path, "", 1)[0])
    return [own, *itertools.islice(existing, MAX_SPELLINGS - 1)]


def _existing_keys(stems: list[str], list_keys: ListKeys) -> list[str]:
    """Return the existing keys that are a stem with the ending in any case, in the order of the stems."""
    return [
        key
        for stem in stems
        if len(stem.encode()) + len(ENDING) <= MAX_KEY_BYTES
        for key in sorted(_with_ending(stem, list_keys), key=lambda key: (not key.endswith(ENDING), key))
    ]


def _with_ending(stem: str, list_keys: ListKeys) -> Iterator[str]:
    """Yield the existing keys. S3 cannot list case-insensitively, so all keys that begin with `stem.` are listed.

    Where these are more than one page of a thousand keys, the listing skips to just before the next possible key.
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


def decode_option_file(key: str, content: bytes) -> Place | Fault:
    """Decode a file's content, of which at most `MAX_FILE_BYTES` + 1 bytes are needed. A `Fault` says why it is invalid."""
    if len(content) > MAX_FILE_BYTES:
        return Fault(key, "", f"it is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Fault(key, "", f"it is not UTF-8 text (byte {error.start:,})")
    try:
        values = json.loads(text, object_pairs_hook=_unique_names, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return Fault(key, "", f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})")
    except (ValueError, RecursionError) as error:
        return Fault(key, "", f"it is not usable JSON ({error})")
    if not isinstance(values, dict):
        return Fault(key, "", 'it must hold one JSON object such as {"prompt": "slow zoom in"}')
    return Place(key, values)


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{_shown(name)} appears twice")
        values[name] = value
    return values


def _shown(name: str) -> str:
    """Return a name for a message: cut to a limit, and escaped, as JSON can contain an unpaired surrogate."""
    text = repr(name)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
