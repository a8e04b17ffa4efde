"""The options that people pass to make as variables: `make run PROMPT="..." DURATION=10`."""

import os
from collections.abc import Mapping
from pathlib import Path

from dropreel.domain.options import OPTION_NAMES, Place, resolve

_DEFAULTS = {"prompt": "-", "mode": "fast", "negative_prompt": "", "aspect_ratio": "auto", "duration": 5,
             "cfg_scale": 0.5, "sound": True}  # fmt: skip


def options_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options that are set, under the provider's names."""
    return {name: environment[name.upper()] for name in OPTION_NAMES if environment.get(name.upper())}


def option_faults(options: Mapping[str, str]) -> list[str]:
    """Return a sentence for each value that the stack would reject, found before anything is started or uploaded."""
    # The second place only completes the set: what is left out comes from the stack.
    found = resolve([Place("make", options, is_text=True), Place("defaults", _DEFAULTS)])
    return [fault.message for fault in found] if isinstance(found, list) else []


def image_fault(image: Path) -> str | None:
    """Return why a file cannot be dropped, or None. What is in it, the stack judges."""
    if image.is_dir():
        return f"{image} is a folder. All that is in it: aws s3 cp --recursive {image} s3://<UploadsBucketName>/"
    if not image.is_file():
        return f"There is no image {image}."
    return None if os.access(image, os.R_OK) else f"{image} cannot be read: its permissions do not allow it."
