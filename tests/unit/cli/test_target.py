"""The stack and region of the last answers are the default of later commands; STACK and AWS_REGION override them."""

from pathlib import Path

import pytest

from dropreel_cli.target import Target, is_yes, save_answers, target_from

HOME = "eu-central-1"
AWAY = "us-west-2"


@pytest.fixture(autouse=True)
def no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return tmp_path / "answers.json"


def test_without_answers_it_is_dropreel_in_the_environments_region(
    answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert target_from({}, answers) == Target("dropreel", None)
    assert target_from({"AWS_REGION": HOME}, answers) == Target("dropreel", HOME)
    monkeypatch.setenv("AWS_DEFAULT_REGION", AWAY)
    assert target_from({"STACK": "shop"}, answers) == Target("shop", AWAY)


def test_answers_are_used_later_with_and_without_the_environment(answers: Path) -> None:
    save_answers(Target("shop", AWAY), {"AWS_REGION": HOME}, answers)

    assert target_from({"AWS_REGION": HOME}, answers) == Target("shop", AWAY)
    assert target_from({}, answers) == Target("shop", AWAY)


def test_a_changed_region_of_the_environment_overrides_the_answer(answers: Path) -> None:
    save_answers(Target("shop", AWAY), {"AWS_REGION": HOME}, answers)

    assert target_from({"AWS_REGION": "eu-west-1"}, answers) == Target("shop", "eu-west-1")


def test_a_region_on_makes_command_line_overrides_the_answer(answers: Path) -> None:
    save_answers(Target("shop", AWAY), {"AWS_REGION": HOME}, answers)

    environment = {"AWS_REGION": HOME, "MAKE_VARIABLES": "AWS_REGION"}
    assert target_from(environment, answers) == Target("shop", HOME)


def test_each_stack_has_its_region_and_a_given_name_is_not_saved(answers: Path) -> None:
    save_answers(Target("shop", AWAY), {}, answers)
    save_answers(Target("trial", HOME), {"STACK": "trial"}, answers)

    assert target_from({}, answers) == Target("shop", AWAY)
    assert target_from({"STACK": "trial"}, answers) == Target("trial", HOME)


def test_an_invalid_answers_file_counts_as_missing(answers: Path) -> None:
    for broken in ("{", "[]", ""):
        answers.write_text(broken, encoding="utf-8")
        assert target_from({"AWS_REGION": HOME}, answers) == Target("dropreel", HOME)
    save_answers(Target("shop", AWAY), {}, answers)
    assert target_from({}, answers) == Target("shop", AWAY)


@pytest.mark.parametrize(("value", "yes"), [("1", True), ("yes", True), ("0", False), ("no", False), ("", False)])
def test_guided_0_is_no(value: str, yes: bool) -> None:
    assert is_yes({"GUIDED": value}, "GUIDED") is yes
    assert not is_yes({}, "GUIDED")
