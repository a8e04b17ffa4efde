"""A stack's settings on this machine: what its functions read from their environment, from the stack's own parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dropreel.settings import Settings

if TYPE_CHECKING:
    from dropreel_cli.stack import Stack


def settings_of(stack: Stack) -> Settings:
    """Return the settings that a stack's parameters and outputs give: the same values, by the same rules, as in its functions."""
    environment = {_variable(name): value for name, value in stack.parameters.items()}
    buckets = [stack.outputs["UploadsBucketName"], stack.parameters.get("ExistingUploadsBucketName", "")]
    environment["IMAGE_BUCKET_NAMES"] = ",".join(filter(None, buckets))
    return Settings(environment)


def _variable(parameter: str) -> str:
    """Return the environment variable of a parameter: `DEFAULT_CFG_SCALE` for `DefaultCfgScale`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()
