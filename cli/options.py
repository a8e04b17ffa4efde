"""The options of an image as variables of make: `make run PROMPT="..." DURATION=10`."""

import os
from collections.abc import Mapping
from pathlib import Path

from cli.parameters import read_parameters
from dropreel.domain.options import OPTION_NAMES, Place, resolve


def options_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options that are set, under the provider's names."""
    return {name: environment[name.upper()] for name in OPTION_NAMES if environment.get(name.upper())}


def option_faults(options: Mapping[str, str]) -> list[str]:
    """Return a sentence for each value that the stack would reject."""
    # The template's defaults only complete the set: the stack fills in what is left out.
    defaults = {parameter.variable: parameter.default for parameter in read_parameters().values()}
    template = {name: defaults[f"DEFAULT_{name.upper()}"] for name in OPTION_NAMES}
    found = resolve([Place("make", options, is_text=True), Place("template", template, is_text=True)])
    return [fault.message for fault in found] if isinstance(found, list) else []


def image_fault(image: Path) -> str | None:
    """Return why a file cannot be dropped, or None. The stack validates its content."""
    if image.is_dir():
        return f"{image} is a folder. To upload all of it: aws s3 cp --recursive {image} s3://<UploadsBucketName>/"
    if not image.is_file():
        return f"There is no image {image}."
    return None if os.access(image, os.R_OK) else f"{image} cannot be read. Check its permissions."
