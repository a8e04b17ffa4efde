"""Parameters allow the values that CloudFormation allows, and sam passes them on unchanged."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel_cli.parameters import Parameter, overrides_file, read_parameters, rule_faults

ROOT = Path(__file__).resolve().parents[3]
SAM_PYTHON = ROOT / ".venvs" / "run" / "bin" / "python"


@pytest.fixture(scope="module")
def parameters() -> dict[str, Parameter]:
    return read_parameters()


def test_every_default_is_valid_and_only_the_key_has_none(parameters: dict[str, Parameter]) -> None:
    for parameter in parameters.values():
        if parameter.default is not None:
            assert parameter.fault_of(parameter.default) is None
        assert parameter.description
    assert [one.name for one in parameters.values() if one.default is None] == ["NohumanApiKey"]
    assert [one.name for one in parameters.values() if one.is_key] == ["NohumanApiKey"]
    assert [one.name for one in parameters.values() if one.is_secret] == ["NohumanApiKey", "WebhookUrl"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DefaultMode", "hd", "DefaultMode is 'hd'; allowed are fast, hq."),
        ("DailySpendLimitUsd", "50.001", "must be dollars with up to two decimals, or unlimited."),
        ("DailySpendLimitUsd", "", "must be dollars"),
        ("PollIntervalSeconds", "0", "PollIntervalSeconds is '0'; must be"),
        ("PollIntervalSeconds", "often", "PollIntervalSeconds is 'often'"),
        ("DefaultPrompt", "", "DefaultPrompt is ''; must not be empty."),
        ("DefaultPrompt", "x" * 2501, "length that is not allowed."),
        ("NohumanApiKey", "", "NohumanApiKey is not valid; must not be empty."),
        ("NotificationEmail", "me", "NotificationEmail is 'me'"),
    ],
)
def test_a_value_that_the_template_does_not_allow_is_a_fault(
    parameters: dict[str, Parameter], name: str, value: str, sentence: str
) -> None:
    assert sentence in (parameters[name].fault_of(value) or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DailySpendLimitUsd", "0"),
        ("DailySpendLimitUsd", "unlimited"),
        ("SubmitConcurrency", "10"),
        ("NotificationEmail", ""),
    ],
)
def test_a_value_that_the_template_allows_is_accepted(parameters: dict[str, Parameter], name: str, value: str) -> None:
    assert parameters[name].fault_of(value) is None


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ({"MinValue": 1, "MaxValue": 60}, "must be a number from 1 to 60."),
        ({"MinValue": 1}, "must be a number of 1 or more."),
    ],
)
def test_a_number_out_of_bounds_is_a_fault_that_names_the_bounds(bounds: dict[str, int], sentence: str) -> None:
    number = Parameter("Seconds", {"Type": "Number", **bounds})

    assert number.fault_of("1") is None
    for wrong in ("0", "often", ""):
        assert sentence in (number.fault_of(wrong) or "")


def test_an_invalid_secret_is_not_shown() -> None:
    secret = Parameter("Key", {"Type": "String", "NoEcho": True, "MaxLength": 3})

    assert "hush" not in (secret.fault_of("hush") or "")


@pytest.mark.skipif(not SAM_PYTHON.is_file(), reason="the SAM CLI is not installed: `make setup`")
def test_sam_reads_the_values_unchanged(tmp_path: Path) -> None:
    awkward = ["", " ", "'", '"', '""', "'x'", '"x"', "\\", "\\ ", '\\"', "\\\\'", "a\\ b", "pan \"right\", 'slow' $5 #1",
               "über 日本 😀", "a: {b}, [c]", "50", "true", "null", "0.50", "x\u2028y\u0085z"]  # fmt: skip
    values = {f"P{number}": value for number, value in enumerate(awkward)}
    file = tmp_path / "parameters.yaml"
    file.write_text(overrides_file(values), encoding="utf-8")
    script = (
        "import json, sys; from samcli.cli.types import CfnParameterOverridesType;"
        "print(json.dumps(CfnParameterOverridesType().convert((f'file://{sys.argv[1]}',), None, None)))"
    )

    read = subprocess.run([str(SAM_PYTHON), "-c", script, str(file)], capture_output=True, text=True, check=False)

    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == values


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True), st.text(max_size=30)))
def test_the_file_for_sam_is_ascii_on_one_line(values: dict[str, str]) -> None:
    text = overrides_file(values)

    assert text.isascii()
    assert text.count("\n") == 1


NO_BUCKET = ["UploadsPrefix needs an ExistingUploadsBucketName; the stack's own bucket has no prefix."]
TOO_MANY_POLLS = ["A GenerationTimeoutMinutes above 36 needs a PollIntervalSeconds of 5 or more."]


@pytest.mark.parametrize(
    ("given_values", "in_stack", "faults"),
    [
        ({}, None, []),
        ({"UploadsPrefix": "shop/"}, None, NO_BUCKET),
        ({"UploadsPrefix": "shop/", "ExistingUploadsBucketName": "pictures"}, None, []),
        ({"UploadsPrefix": "shop/"}, {"ExistingUploadsBucketName": "pictures"}, []),
        ({"ExistingUploadsBucketName": ""}, {"ExistingUploadsBucketName": "pictures", "UploadsPrefix": "a"}, NO_BUCKET),
        ({"PollIntervalSeconds": "4"}, None, TOO_MANY_POLLS),
        ({"PollIntervalSeconds": "4", "GenerationTimeoutMinutes": "36"}, None, []),
        ({"Rehearsal": "true"}, {"NohumanApiKey": "****"}, []),  # what is under the asterisks is unknown
    ],
)
def test_the_templates_rules_are_checked_before_anything_starts(
    given_values: dict[str, str], in_stack: dict[str, str] | None, faults: list[str]
) -> None:
    assert rule_faults(given_values, in_stack) == faults


def test_every_rule_of_the_template_can_be_evaluated(parameters: dict[str, Parameter]) -> None:
    values = dict.fromkeys(parameters, "x")

    assert rule_faults(values) == []
