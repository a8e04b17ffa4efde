"""CloudFormation templates as they are written."""

from typing import Any


def load_template(path: str) -> dict[str, Any]:
    """Return a template with its short forms written out: `!Ref a` is `{"Ref": "a"}`."""
    from cfnlint.decode.cfn_yaml import load  # a second to import: only where a test reads a template

    loaded: dict[str, Any] = load(path)
    return loaded
