"""The template's parameters: which values they allow, and how these are passed to sam."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dropreel_cli.variables import TEMPLATE, variable_name

PRICES = "PricesUsd"


@dataclass(frozen=True)
class Parameter:
    """A parameter as the template declares it. `default` is None where a value is required."""

    name: str
    declared: Mapping[str, Any]

    @property
    def variable(self) -> str:
        """Its name as a make variable."""
        return variable_name(self.name)

    @property
    def default(self) -> str | None:
        """Its default as text, as CloudFormation has it."""
        return _text(self.declared["Default"]) if "Default" in self.declared else None

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be shown (NoEcho)."""
        return self.declared.get("NoEcho") in (True, "true")

    @property
    def is_key(self) -> bool:
        """Whether it is a secret that every stack has: it is never on a command line."""
        return self.is_secret and self.default is None

    @property
    def description(self) -> str:
        """Its description in the template, and its allowed values."""
        allowed = [_text(each) for each in self.declared.get("AllowedValues", [])]
        taken = f" One of: {', '.join(allowed)}." if allowed else ""
        return f"{str(self.declared.get('Description', '')).strip()}{taken}"

    def fault_of(self, value: str) -> str | None:
        """Return what is wrong with a value, by CloudFormation's rules and those of our code for prices, or None."""
        if self._takes(value):
            return prices_fault(value) if self.name == PRICES else None
        allowed = [_text(each) for each in self.declared.get("AllowedValues", [])]
        low, high = self.declared.get("MinValue"), self.declared.get("MaxValue")
        why = (
            self.declared.get("ConstraintDescription")
            or (f"allowed are {', '.join(allowed)}" if allowed else None)
            or (f"must be a number from {low} to {high}" if high is not None else None)
            or (f"must be a number of {low} or more" if low is not None else None)
            or ("must not be empty" if not value else "has a form or length that is not allowed")
        )
        return f"{self.name} is {'not valid' if self.is_secret else repr(value)}; {why}."

    def _takes(self, value: str) -> bool:
        rule = self.declared
        if rule.get("AllowedValues") and value not in map(_text, rule["AllowedValues"]):
            return False
        if "AllowedPattern" in rule and not re.fullmatch(rule["AllowedPattern"], value):
            return False
        if not int(rule.get("MinLength", 0)) <= len(value) <= int(rule.get("MaxLength", 4096)):
            return False
        if rule["Type"] != "Number":
            return True
        # CloudFormation also takes 5.0 and 5e0; every Number of this template goes to a property that takes neither.
        if not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
            return False
        return float(rule.get("MinValue", "-inf")) <= int(value) <= float(rule.get("MaxValue", "inf"))


def prices_fault(value: str) -> str | None:
    """Return why prices of the right form are refused by the stack's functions, or None."""
    from dropreel.domain.prices import PriceTable

    try:
        PriceTable.parse(value)
    except ValueError as error:
        return f"{PRICES}: {error}."
    return None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # the base has no types
    """Reads a template. CloudFormation's own tags are read as `{tag: value}`."""


def _function(loader: Any, tag: str, node: Any) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: node.value}
    is_list = isinstance(node, yaml.SequenceNode)
    return {tag: loader.construct_sequence(node, deep=True) if is_list else loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def read_parameters(template: Path = TEMPLATE) -> dict[str, Parameter]:
    """Return the template's parameters by name, in their order."""
    return parameters_of(template.read_text(encoding="utf-8"))


def parameters_of(template: str) -> dict[str, Parameter]:
    """Return the parameters of a template's text (YAML or JSON) by name, in their order."""
    loaded = yaml.load(template, _Loader)  # noqa: S506  # nosec B506 # a SafeLoader
    return {name: Parameter(name, declared) for name, declared in loaded.get("Parameters", {}).items()}


def rule_faults(given: Mapping[str, str], in_stack: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each of the template's rules that these values break, as CloudFormation would after a while.

    What is not given has the stack's value, or else the default. Rules about secrets are left out: their values are unknown.
    """
    loaded = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # nosec B506 # a SafeLoader
    parameters = [Parameter(name, declared) for name, declared in loaded["Parameters"].items()]
    values = {one.name: one.default or "" for one in parameters} | dict(in_stack or {}) | dict(given)
    for one in parameters:
        if one.is_secret:
            del values[one.name]
    faults = []
    for rule in loaded["Rules"].values():
        try:
            if _evaluate(rule.get("RuleCondition", True), values):
                broken = [one for one in rule["Assertions"] if not _evaluate(one["Assert"], values)]
                faults += [one["AssertDescription"] for one in broken]
        except KeyError:  # a secret
            continue
    return faults


def _evaluate(expression: Any, values: Mapping[str, str]) -> Any:
    """Return the value of a rule's expression. Raises KeyError for a parameter that is not among the values."""
    if isinstance(expression, list):
        return [_evaluate(one, values) for one in expression]
    if not isinstance(expression, dict):
        return expression
    ((function, argument),) = expression.items()
    if function == "Ref":
        return values[argument]
    evaluated = _evaluate(argument, values)
    match function:
        case "Equals":
            return evaluated[0] == evaluated[1]
        case "Contains":
            return evaluated[1] in evaluated[0]
        case "Not":
            return not evaluated[0]
        case "And":
            return all(evaluated)
        case "Or":
            return any(evaluated)
    raise NotImplementedError(f"a rule with {function}")


def overrides_file(values: Mapping[str, str]) -> str:
    """Return the text of a YAML file from which `sam deploy --parameter-overrides file://...` reads exactly these values.

    A file keeps the key out of the list of processes.
    """
    return "{" + ", ".join(f"{_quoted(name)}: {_quoted(_for_sam(value))}" for name, value in values.items()) + "}\n"


def _quoted(text: str) -> str:
    """Return a YAML string in ASCII: a JSON string, with 8-digit escapes where YAML and JSON differ."""
    return re.sub(r"[^\x20-\x7e]", lambda found: f"\\U{ord(found[0]):08x}", json.dumps(text, ensure_ascii=False))


def _for_sam(value: str) -> str:
    """Quote a value twice: sam removes quotes and backslashes twice when it reads a file."""
    if not re.search(r"[\"'\\]", value):
        return value
    for _ in range(2):
        value = '"' + re.sub(r"\\(?=[ \"'])", r"\\\\", value) + '"'
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
