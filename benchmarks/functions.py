"""The functions as template.yaml has them: folder, layers and environment, with made-up values for what only AWS knows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.decode.cfn_yaml import load as load_template

from benchmarks.measure import ROOT

_ARN = "arn:aws:service:us-east-1:000000000000:something"


@dataclass(frozen=True)
class Function:
    """One function of the template. `layers` are the logical names of its layers."""

    folder: Path
    layers: tuple[str, ...]
    environment: dict[str, str]


def functions() -> dict[str, Function]:
    """Return the functions by the name of their step."""
    template = load_template(str(ROOT / "template.yaml"))
    defaults = {name: str(one["Default"]) for name, one in template["Parameters"].items() if "Default" in one}
    common = template["Globals"]["Function"]
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        own = resource["Properties"]
        folder = ROOT / own["CodeUri"]
        layers = (*common.get("Layers", ()), *own.get("Layers", ()))
        variables = {**common["Environment"]["Variables"], **own.get("Environment", {}).get("Variables", {})}
        found[folder.name] = Function(
            folder,
            tuple(str(layer["Ref"]) for layer in layers),
            {name: _value(value, defaults) for name, value in variables.items()},
        )
    return found


def _value(value: Any, defaults: dict[str, str]) -> str:
    """Return a parameter's default for a reference to it, and an ARN for anything else that AWS fills in."""
    return defaults.get(str(value.get("Ref")), _ARN) if isinstance(value, dict) else str(value)
