"""The commands of docs/first-deployment.md that inspect a new stack, pasted unchanged."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud import ROOT
from tests.e2e.conftest import Account

PAGE = (ROOT / "docs" / "first-deployment.md").read_text(encoding="utf-8")
COMMANDS_AT_ONCE = 4


def commands() -> list[str]:
    """Return the commands of the section that inspects a new stack: they change nothing, and each prints something."""
    _, section = PAGE.split("\n## Before the first drop\n")
    return re.findall(r"`((?:aws|for) [^`\n]+)`", section.split("\n## ")[0])


def shell_functions(account: Account) -> str:
    """Return the page's functions, for the local cloud and its stack."""
    (functions,) = re.findall(r"^```sh\n(export .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    functions = functions.replace("export AWS_DEFAULT_REGION=eu-central-1", "")  # here it is the local cloud's
    functions = functions.replace("--stack-name dropreel", f"--stack-name {account.stack.name}")
    return f'aws() {{ command aws --endpoint-url {account.cloud.engine.endpoint_url} "$@"; }}\n{functions}'


def pasted(account: Account, command: str, answers: str = "") -> "subprocess.CompletedProcess[str]":
    here = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        ["bash", "-uo", "pipefail", "-c", f"{shell_functions(account)}\n{command}"],
        input=answers,
        env={
            **here,
            **account.cloud.engine.environment,
            "AWS_PAGER": "",
            "PATH": f"{ROOT / '.venvs' / 'aws' / 'bin'}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def answers(account: Account) -> dict[str, "subprocess.CompletedProcess[str]"]:
    """The result of each command."""
    with ThreadPoolExecutor(COMMANDS_AT_ONCE) as pool:
        return dict(zip(commands(), pool.map(lambda command: pasted(account, command), commands()), strict=True))


def test_the_section_has_commands() -> None:
    assert len(commands()) > 8


@pytest.mark.parametrize("command", commands())
def test_a_command_that_inspects_a_new_stack_works_unchanged(
    answers: dict[str, "subprocess.CompletedProcess[str]"], command: str
) -> None:
    done = answers[command]

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() not in ("", "None")


@pytest.mark.parametrize("name", ["DeadLetterAlarm", "KeyRefusedAlarm"])
def test_an_alarm_is_found_in_the_nested_stack(account: Account, name: str) -> None:
    printed = pasted(account, f"nested {name}").stdout.strip()

    (alarm,) = account.client("cloudwatch").describe_alarms(AlarmNames=[printed])["MetricAlarms"]
    assert alarm["AlarmName"] == account.physical(name)


def test_a_log_group_is_printed_one_line_an_event(account: Account) -> None:
    key = account.new_key()
    account.put(key)
    dropped = account.ended(key).job_id

    printed = pasted(account, "lines SubmitGenerationLogGroup").stdout.splitlines()

    ours = [json.loads(line) for line in printed if line.startswith("{")]
    assert dropped in {line.get("job_id") for line in ours}
    events = account.client("logs").filter_log_events(logGroupName=account.physical("SubmitGenerationLogGroup"))[
        "events"
    ]
    assert len(printed) == len(events)
