"""The stack's parameters as variables of `make up`."""

import json
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

from local import parameters
from local.logs import ROOT
from local.parameters import SET_HERE, local_parameters, override, parameters_from, template_parameters, variable_names


def test_every_parameter_of_the_template_is_found() -> None:
    template = json.loads(json.dumps(cfn_yaml.load(str(ROOT / "template.yaml"))))

    assert template_parameters() == list(template["Parameters"])


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("DAILY_SPEND_LIMIT_USD", "DailySpendLimitUsd"),
        ("MAX_ATTEMPTS", "MaxAttempts"),
        ("DEFAULT_CFG_SCALE", "DefaultCfgScale"),
    ],
)
def test_a_variable_is_the_parameters_name_in_upper_snake(variable: str, name: str) -> None:
    assert variable_names()[variable] == name


def test_no_two_parameters_have_the_same_variable() -> None:
    assert sorted([*variable_names().values(), *SET_HERE]) == sorted(template_parameters())


def test_only_parameters_of_the_template_are_taken_from_the_environment() -> None:
    environment = {
        "DAILY_SPEND_LIMIT_USD": "1",
        "MAX_ATTEMPTS": "",
        "PATH": "/bin",
        "NOHUMAN_API_KEY": "a real key",
        "NOHUMAN_API_BASE_URL": "https://provider.example",
        "DailySpendLimitUsd": "2",
    }

    assert parameters_from(environment) == {"DailySpendLimitUsd": "1"}


def test_a_local_stack_reads_options_soon_where_the_template_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template.yaml").write_text(
        "Parameters:\n  # how long\n  UploadSettleSeconds:\n    Type: Number\n\nResources:\n  Queue:\n    Type: X\n"
    )
    monkeypatch.setattr(parameters, "ROOT", tmp_path)

    assert template_parameters() == ["UploadSettleSeconds"]
    assert local_parameters("http://127.0.0.1:1", "key") == {
        "NohumanApiKey": "key",
        "NohumanApiBaseUrl": "http://127.0.0.1:1",
        "UploadSettleSeconds": "1",
    }


def test_quotes_and_backslashes_are_escaped_for_sam() -> None:
    assert override("DefaultPrompt", 'say "hi" \\ bye') == r'DefaultPrompt="say \"hi\" \\ bye"'
