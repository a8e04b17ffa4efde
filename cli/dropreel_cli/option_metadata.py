"""The options of the command line as S3 user metadata, or in a sidecar where S3's 2 KB cannot carry them."""

import hashlib
import json
from collections.abc import Mapping
from email.header import Header
from typing import Any

from dropreel.domain.option_files import decode_option_file
from dropreel.domain.option_places import Fault, Place, resolve
from dropreel.domain.options import OPTION_NAMES
from dropreel.media.videos import MAX_METADATA_BYTES

CONTENT_HASH = "dropreel-sha256"
"""The metadata with the SHA-256 of the image's bytes in hex. It is no option: the stack ignores it."""
OPTIONS_HASH = "dropreel-options"
"""The metadata with a hash of the command line's options, where these are in the sidecar."""

COMPLETE = {"prompt": "-", "mode": "fast", "negative_prompt": "", "aspect_ratio": "auto", "duration": "5", "cfg_scale": "0.5",
            "sound": "true"}  # fmt: skip
"""Valid values that complete a set of options; they are not used otherwise."""


def typed_options(options: Mapping[str, str]) -> dict[str, Any] | list[Fault]:
    """Return the options with the types that JSON files need, or what is invalid."""
    found = resolve([Place("the command line", options, is_text=True), Place("", COMPLETE, is_text=True)])
    if isinstance(found, list):
        return found
    return {name: getattr(found.options, name) for name in OPTION_NAMES if name in options}


def ascii_text(text: str) -> str:
    """Return text as ASCII, which S3 metadata is limited to. Other text, and text that reads as encoded, is encoded by RFC 2047."""
    return text if text.isascii() and "=?" not in text else Header(text, "utf-8", maxlinelen=10_000).encode()


def option_metadata(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options as S3 user metadata."""
    return {name.replace("_", "-"): ascii_text(value) for name, value in options.items()}


def options_hash(options: Mapping[str, str]) -> str:
    """Return 32 hex digits that identify a set of options."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:32]


def fits_metadata(options: Mapping[str, str]) -> bool:
    """Return whether S3's 2 KB of user metadata hold the options and the hash of the image's bytes."""
    metadata = {**option_metadata(options), CONTENT_HASH: "0" * 64}
    return sum(len(name) + len(value) for name, value in metadata.items()) <= MAX_METADATA_BYTES


def merged_sidecar(key: str, content: bytes | None, typed: Mapping[str, Any]) -> bytes:
    """Return a sidecar with the command line's options, which override those of the sidecar that there is.

    A sidecar that is not valid stays as it is; the image is then refused for it.
    """
    place = Place(key, {}) if content is None else decode_option_file(key, content)
    if isinstance(place, Fault):
        return content or b""
    return json.dumps({**place.values, **typed}, ensure_ascii=False, indent=2).encode()
