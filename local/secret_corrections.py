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


def reference_secrets_by_arn() -> None:
    """A secret in a template.

    AWS: its physical id, and so `Ref`, is its ARN.
    The engine: it is its name.
    """
    provisioners: Any = import_module("ministack.services.cloudformation.provisioners")
    secrets: Any = import_module("ministack.services.secretsmanager")
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def name_of(arn: str) -> str:
        return next((name for name, secret in secrets._secrets.items() if secret["ARN"] == arn), arn)

    def by_arn(answer: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        return secrets._secrets[answer[0]]["ARN"], answer[1]

    handlers["create"] = lambda *arguments, **others: by_arn(create(*arguments, **others))
    handlers["update"] = lambda arn, *arguments, **others: by_arn(update(name_of(arn), *arguments, **others))
    handlers["delete"] = lambda arn, *arguments, **others: delete(name_of(arn), *arguments, **others)
