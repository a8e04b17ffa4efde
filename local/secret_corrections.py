"""Corrections of the local engine's Secrets Manager; `engine_corrections.py` says what a correction is."""

import string
from importlib import import_module
from typing import Any


def exclude_punctuation_of_secrets() -> None:
    """A generated secret with ExcludePunctuation.

    AWS: it has letters and digits alone.
    The engine: it has punctuation, too.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    generate = provisioners._sm_secret_string

    def generate_as_asked(properties: dict[str, Any]) -> Any:
        asked = properties.get("GenerateSecretString") or {}
        if str(asked.get("ExcludePunctuation", False)).lower() == "true":
            excluded = asked.get("ExcludeCharacters", "") + string.punctuation
            properties = {**properties, "GenerateSecretString": {**asked, "ExcludeCharacters": excluded}}
        return generate(properties)

    provisioners._sm_secret_string = generate_as_asked
