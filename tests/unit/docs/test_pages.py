"""README.md, docs/events.md and docs/operations.md agree with the code."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import yaml

from docs.event_schemas import STATUS_OF
from docs.reference_texts import example_jobs
from docs.write_reference import load_template
from dropreel.domain.events import SOURCE, detail_of
from dropreel.domain.job import TERMINAL, EventType, JobStatus
from dropreel.domain.next_steps import RESUMABLE
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel_cli.app import application
from tests.unit.docs.pages import ROOT, rows_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
EVENTS_PAGE = ROOT / "docs" / "events.md"
EVENTS = EVENTS_PAGE.read_text(encoding="utf-8")
OPERATIONS = ROOT / "docs" / "operations.md"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Match as EventBridge does, as far as the pages use it: lists of values, and prefixes."""
    for name, wanted in pattern.items():
        value = event.get(name) if isinstance(event, dict) else None
        if isinstance(wanted, dict):
            if not isinstance(value, dict) or not matches(wanted, value):
                return False
        elif not any(str(value).startswith(one["prefix"]) if isinstance(one, dict) else one == value for one in wanted):
            return False
    return True


def matched(pattern: str) -> set[str]:
    """Return the last word of each example event that a pattern matches."""
    found = set()
    for event, job in example_jobs().items():
        published = {"source": SOURCE, "detail-type": event.value, "detail": detail_of(job, event)}
        if matches(json.loads(pattern), published):
            found.add(event.value.split()[-1])
    return found


# --- README -------------------------------------------------------------------------------------------------------


def test_the_readme_has_the_cheapest_and_the_most_expensive_price() -> None:
    prices = [usd(cents) for cents in PRICE_CENTS.values()]

    assert f"${min(prices)} to ${max(prices)} a video" in " ".join(README.split())


def test_the_readme_has_the_default_cap() -> None:
    default = load_template()["Parameters"]["DailySpendLimitUsd"]["Default"]

    assert f"`DailySpendLimitUsd` a day (UTC), ${default} by default" in " ".join(README.split())


def test_the_readmes_pattern_matches_finished_videos_alone() -> None:
    (pattern,) = blocks(README, "json")

    assert matched(pattern) == {"Completed"}


# --- events -------------------------------------------------------------------------------------------------------


def test_each_pattern_matches_what_the_page_says() -> None:
    assert [matched(pattern) for pattern in blocks(EVENTS, "json")] == [
        {"Completed"},
        {"Completed", "Failed", "Rejected", "Unknown"},
        {"Deferred", "Unknown"},
        {"Completed"},
    ]


@pytest.mark.parametrize("version", ["gKBCZ2X8lqXcJbHVvS0xTAbVZpXxU2oS", None])
def test_the_function_prints_the_video_of_that_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    function = load_template("docs/consumers/lambda_on_completed.yaml")["Resources"]["Function"]
    asked: list[dict[str, str]] = []

    def get_object(**where: str) -> dict[str, int]:
        asked.append(where)
        return {"ContentLength": 99}

    s3 = SimpleNamespace(get_object=get_object)
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: s3))
    names: dict[str, Any] = {}
    exec(function["Properties"]["Code"]["ZipFile"], names)
    job = example_jobs()[EventType.COMPLETED]
    assert job.video is not None
    job = replace(job, video=job.video._replace(version_id=version))

    names["handler"]({"detail": detail_of(job, EventType.COMPLETED)}, None)

    name = "dropreel-videosbucket-4d5e6f/shoes/red-gen_img2v_x7y8z9.mp4"
    assert capsys.readouterr().out == f"shoes/red.jpg: s3://{name}, 99 bytes, ${usd(job.cost_cents)}\n"
    bucket, _, key = name.partition("/")
    assert asked == [{"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}]


def test_the_table_has_each_event_and_whether_its_job_has_ended() -> None:
    rows = {f"Video Generation {row[0]}": row[2] for row in rows_of(EVENTS_PAGE, "event")}

    assert rows.keys() == set(EventType)
    for event, said in rows.items():
        status = STATUS_OF[EventType(event)]
        expected = "ends" if status in TERMINAL else "continues" if status is JobStatus.GENERATING else "waits"
        assert said.partition(",")[0] == expected


def test_every_template_for_consumers_is_linted_scanned_and_explained() -> None:
    templates = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "consumers").glob("*")}
    scanned = yaml.safe_load((ROOT / ".checkov.yaml").read_text(encoding="utf-8"))["file"]

    assert templates <= set(scanned)
    assert (
        "cfn-lint template.yaml operations.yaml notifications.yaml schemas.yaml docs/consumers/*.yaml"
        in (ROOT / "Makefile").read_text()
    )
    assert {name for name in templates if f"]({name.removeprefix('docs/')})" not in EVENTS} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "consumers").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_consumers_rule_has_a_dead_letter_queue_that_takes_its_events(path: Path) -> None:
    resources = load_template(f"docs/consumers/{path.name}")["Resources"]
    rules = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Events::Rule"]
    text = path.read_text(encoding="utf-8")

    for rule in rules:
        assert rule["EventPattern"]["source"] == [SOURCE]
        assert all("DeadLetterConfig" in target for target in rule["Targets"])
        assert "Condition: { ArnEquals: { aws:SourceArn: !GetAtt Rule.Arn } }" in text
    assert bool(rules) is (path.stem != "another_account_bus")


# --- operations ---------------------------------------------------------------------------------------------------


def test_every_alarm_of_the_stack_has_its_row() -> None:
    nested = (load_template(name)["Resources"] for name in ("operations.yaml", "notifications.yaml"))
    alarms = {name for one in nested for name in one if one[name]["Type"] == "AWS::CloudWatch::Alarm"}

    assert {row[0] for row in rows_of(OPERATIONS, "alarm")} == alarms


def test_every_log_group_of_the_template_is_named() -> None:
    templates = (load_template(name)["Resources"] for name in ("template.yaml", "notifications.yaml"))
    groups = {name for one in templates for name in one if one[name]["Type"] == "AWS::Logs::LogGroup"}

    assert set(re.findall(r"`(\w+LogGroup)`", OPERATIONS.read_text(encoding="utf-8"))) == groups


def test_the_codes_that_can_be_resumed_are_all_there() -> None:
    section = OPERATIONS.read_text(encoding="utf-8").split("\n## Resume a failed job\n")[1].split(". Resuming")[0]

    assert set(re.findall(r"`(\w+_\w+)`", section)) == RESUMABLE


def commands_of_operations() -> list[list[str]]:
    """Return each call of the command in operations.md, with a job's id in place of `<job_id>`."""
    calls = re.findall(r"`dropreel ([^`\n]+)`", OPERATIONS.read_text(encoding="utf-8"))
    return [call.replace("<job_id>", "0" * 24).replace("<generation_id>", "gen_1").split() for call in calls]


@pytest.mark.parametrize("words", commands_of_operations(), ids=" ".join)
def test_each_command_to_paste_is_one_of_the_command_line(words: list[str]) -> None:
    """Click parses it; nothing is run."""
    command = application.get_command(click.Context(application), words[0])

    assert command is not None
    assert command.make_context(words[0], words[1:]).params


def test_every_way_on_has_its_command() -> None:
    ways = {"resume", "adopt", "abandon", "resubmit", "redrive"}

    assert ways <= {words[0] for words in commands_of_operations()}
