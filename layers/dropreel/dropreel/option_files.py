"""Sidecars and folder defaults: which files belong to an image, and what is in them."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from dropreel.messages import MAX_KEY_BYTES
from dropreel.options import Fault, Place

MAX_FILE_BYTES = 64_000
"""The largest sidecar or folder file that is read, in bytes: a limit of ours, "64 kB" in the stricter reading."""
MAX_FOLDERS = 50
"""How many folders of an image are looked at, the nearest and the bucket itself: a limit of ours."""
FOLDER_FILE = "dropreel.json"
_MAX_SHOWN = 60


def option_keys(image_key: str) -> Iterator[str]:
    """Yield the keys of the files that may hold an image's options, the most specific first, as far as S3 can have such keys."""
    for key in (sidecar_key(image_key), *folder_keys(image_key)):
        if len(key.encode()) <= MAX_KEY_BYTES:
            yield key


def sidecar_key(image_key: str) -> str:
    """Return the key of an image's own options."""
    return f"{image_key}.json"


def folder_keys(image_key: str) -> Iterator[str]:
    """Yield the keys of the folder files that hold for an image, the nearest first, the bucket's own always and last."""
    folders = image_key.split("/")[:-1]
    for depth in range(len(folders), max(0, len(folders) - MAX_FOLDERS + 1), -1):
        yield "/".join([*folders[:depth], FOLDER_FILE])
    yield FOLDER_FILE


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
