"""Reads the templates as CloudFormation does once it has their parameters: conditions evaluated, references resolved."""

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.templates import load_template

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "shop",
    "AWS::URLSuffix": "amazonaws.com",
}
REQUIRED = {"NohumanApiKey": "key"}
NESTED_STACK = "shop-{}-1A2B3C4D5E6F"
_NOTHING = object()


@cache
def written() -> dict[str, Any]:
    """Return template.yaml as it is written; intrinsic functions stand as `{"Ref": ...}` and `{"Fn::If": ...}`."""
    loaded: dict[str, Any] = load_template(str(ROOT / "template.yaml"))
    return loaded


@cache
def nested() -> dict[str, dict[str, Any]]:
    """Return the templates of the nested stacks as they are written, by the logical ids of these stacks."""
    return {
        name: load_template(str(ROOT / one["Properties"]["Location"]))
        for name, one in written()["Resources"].items()
        if one["Type"] == "AWS::Serverless::Application"
    }


@cache
def translated() -> dict[str, Any]:
    """Return template.yaml as SAM hands it to CloudFormation."""
    command = [str(ROOT / ".venvs" / "run" / "bin" / "python"), "-m", "tests.lint.translated_template"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def parameters(**given: str) -> dict[str, str]:
    """Return the template's parameters with their defaults, but for those that are given."""
    defaults = {name: str(one["Default"]) for name, one in written()["Parameters"].items() if "Default" in one}
    return {**defaults, **REQUIRED, **given}


def refused(**given: str) -> list[str]:
    """Return the parameters and rules for which CloudFormation refuses these values before it creates anything."""
    values = parameters(**given)
    wrong = [name for name, value in values.items() if not _is_allowed(written()["Parameters"][name], value)]
    for name, rule in written()["Rules"].items():
        if "RuleCondition" not in rule or _is_true(rule["RuleCondition"], values):
            wrong += [name for one in rule["Assertions"] if not _is_true(one["Assert"], values)]
    return wrong


def _is_allowed(parameter: Mapping[str, Any], value: str) -> bool:
    if "AllowedValues" in parameter and value not in [str(one) for one in parameter["AllowedValues"]]:
        return False
    if not parameter.get("MinLength", 0) <= len(value) <= parameter.get("MaxLength", 4096):
        return False
    if parameter["Type"] == "Number":
        return _is_number(value) and parameter["MinValue"] <= float(value) <= parameter["MaxValue"]
    return re.fullmatch(parameter.get("AllowedPattern", ".*"), value, re.DOTALL) is not None


def _is_number(value: str) -> bool:
    """Whether CloudFormation accepts the text as a Number: an integer or a float."""
    return re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value) is not None


def variables(function: str, **given: str) -> dict[str, str]:
    """Return a function's environment variables: the shared ones and its own."""
    values = parameters(**given)
    found = resources(**given)[function]
    own: dict[str, str] = found["Properties"]["Environment"]["Variables"]
    if found["Type"] == "AWS::Lambda::Function":  # in a nested stack, without what SAM adds
        return own
    return {**_value(written()["Globals"]["Function"]["Environment"]["Variables"], values), **own}


def resources(**given: str) -> dict[str, Any]:
    """Return the resources of a stack with these parameters and of its nested stacks, SAM's own forms as they are written."""
    found = _resources(written(), parameters(**given))
    for name, template in nested().items():
        if name in found:
            passed = {**found[name]["Properties"]["Parameters"], "AWS::StackName": NESTED_STACK.format(name)}
            inner = _resources(template, passed)
            assert not found.keys() & inner.keys()
            found |= inner
    return found


def statements(role: str, **given: str) -> list[dict[str, Any]]:
    """Return a role's statements: of its inline policies, and of policies that are resources of their own."""
    there = resources(**given)
    policies = list(there[f"{role}Role"]["Properties"]["Policies"])
    apart = (one["Properties"] for one in there.values() if one["Type"] == "AWS::IAM::Policy")
    policies += [policy for policy in apart if f"{role}Role" in policy["Roles"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as a list of one: IAM takes either."""
    return value if isinstance(value, list) else [value]


def _resources(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _value(one, values)
        for name, one in template["Resources"].items()
        if "Condition" not in one or _holds(one["Condition"], values)
    }


def _holds(condition: str, values: Mapping[str, str]) -> bool:
    conditions = dict(written()["Conditions"])
    for template in nested().values():
        conditions |= template.get("Conditions", {})
    return _is_true(conditions[condition], values)


def _is_true(expression: Any, values: Mapping[str, str]) -> bool:
    ((function, arguments),) = expression.items()
    match function:
        case "Fn::Not":
            return not _is_true(arguments[0], values)
        case "Fn::And":
            return all(_is_true(one, values) for one in arguments)
        case "Fn::Or":
            return any(_is_true(one, values) for one in arguments)
        case "Fn::Equals":
            left, right = (_value(one, values) for one in arguments)
            return bool(left == right)
        case "Fn::Contains":
            allowed, value = (_value(one, values) for one in arguments)
            return value in allowed
    raise AssertionError(f"unknown condition function {function}")


def _value(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        found = [_value(one, values) for one in node]
        return [one for one in found if one is not _NOTHING]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((function, arguments),) = node.items()
        match function:
            case "Ref":
                return _NOTHING if arguments == "AWS::NoValue" else _reference(arguments, values)
            case "Fn::GetAtt":
                return ".".join(arguments)
            case "Fn::If":
                condition, yes, no = arguments
                return _value(yes if _holds(condition, values) else no, values)
            case "Fn::Sub":
                return _substituted(arguments, values)
            case "Fn::Join":
                delimiter, parts = arguments
                return delimiter.join(_list(parts, values))
            case "Fn::Split":
                return _split(arguments[0], _value(arguments[1], values))
            case "Fn::Select":
                return _list(arguments[1], values)[int(arguments[0])]
    found_values = {str(name): _value(one, values) for name, one in node.items()}
    return {name: one for name, one in found_values.items() if one is not _NOTHING}


def _list(node: Any, values: Mapping[str, str]) -> list[str]:
    """Return a list; a reference to a parameter of comma-delimited values is one."""
    found = _value(node, values)
    return found.split(",") if isinstance(found, str) else list(found)


def _split(delimiter: str, text: str) -> list[str]:
    """Return the parts of a text. Our `Name.Arn` stands for an ARN, whose name is the last part of five or six colons."""
    if delimiter == ":" and text.endswith(".Arn"):
        return ["arn", "aws", "service", "region", ACCOUNT, *[text.removesuffix(".Arn")] * 2]
    return text.split(delimiter)


def _reference(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, PSEUDO.get(name, name))


def _substituted(arguments: Any, values: Mapping[str, str]) -> str:
    text, more = arguments if isinstance(arguments, list) else (arguments, {})
    own = {name: _value(one, values) for name, one in more.items()}
    named = {name: value for name, value in own.items() if value is not None}

    def value_of(found: re.Match[str]) -> str:
        return str(named[found[1]]) if found[1] in named else _reference(found[1], values)

    return re.sub(r"\$\{([\w.:]+)\}", value_of, text)
