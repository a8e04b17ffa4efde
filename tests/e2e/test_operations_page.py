"""Every command of docs/operations.md, pasted: each runs in the local cloud, or is named here with what runs it or why not."""

import re
from typing import TYPE_CHECKING

import pytest

from dropreel_cli.connection import LOCAL_CLOUD_VARIABLE
from local.cloud import API_KEY, ROOT
from tests.e2e.conftest import COMMAND, Account, InstalledCommand
from tests.e2e.test_first_deployment import pasted
from tests.support.pictures import jpeg

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DEPLOYS = "tests/e2e/test_deploy.py runs `dropreel deploy`, which make calls, with the real SAM CLI"
NOT_HERE = {
    "make deploy": DEPLOYS,
    "make deploy DAILY_SPEND_LIMIT_USD=80": DEPLOYS,
    "make deploy DAILY_SPEND_LIMIT_USD=0": DEPLOYS,
    "make deploy DAILY_SPEND_LIMIT_USD=50": DEPLOYS,
    "make deploy GUIDED=1": DEPLOYS,
    "make deploy YES=1": DEPLOYS,
    "make deploy STACK=shop": DEPLOYS,
    "make drop": "tests/e2e/test_local_runs.py runs it",
    "make remove": "tests/e2e/test_deploy.py runs `dropreel remove`, which make calls",
    "dropreel deploy": "tests/e2e/test_deploy.py runs it",
    "dropreel deploy DailySpendLimitUsd=80": "tests/e2e/test_deploy.py runs it with other parameters",
    "dropreel deploy --guided": "tests/e2e/test_deploy.py runs it",
    "dropreel remove": "tests/e2e/test_deploy.py runs it",
    "make dashboard": "it starts a local cloud of its own; tests/unit/docs/test_dashboard.py holds what it draws",
    "dropreel forget KEY": "tests/e2e/test_command_forget.py runs it on images of its own",
    "aws dynamodb update-table --table-name <name> --no-deletion-protection-enabled": "tests/e2e/test_deploy.py pastes it as printed",
    "aws dynamodb delete-table --table-name <name>": "tests/e2e/test_deploy.py pastes it as printed",
    **dict.fromkeys(
        (
            "dropreel resume <job_id>",
            "dropreel adopt <job_id> <generation_id>",
            "dropreel abandon <job_id>",
            "dropreel resubmit <job_id> --may-pay-twice",
        ),
        "tests/e2e/test_command_decisions.py runs it on a job of its own",
    ),
    "dropreel doctor": "tests/e2e/test_command_doctor.py runs it",
    "dropreel redrive <job_id>": "tests/e2e/test_command_redrive.py runs it on a job with a dead letter",
    "git fetch --tags && git checkout v0.1.0\nmake deploy": "it would change the checkout; tests/e2e/test_update.py updates a stack",
    "aws ssm get-parameters-by-path --path /aws/service/global-infrastructure/regions/eu-central-1/services "
    "--query 'Parameters[].Value' --output text": "AWS's public parameters: the local engine has none",
}  # fmt: skip
"""What is not pasted here, and why. No command is left out without a line here."""
ASKS = re.compile(r"dropreel (resume|adopt|abandon|resubmit|redrive|unpause|set)\b(?!.*--dry-run)")


def commands() -> list[str]:
    """Return every block of shell commands of the page, and every command inside a sentence, in their order."""
    found = re.findall(
        r"^```sh\n(.*?)^```|`((?:aws|dropreel|lines|make|git|name) [^`\n]+)`|`(dropreel [a-z]+|make [a-z]+)`",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
    return list(dict.fromkeys("".join(one).strip() for one in found))


HERE = [one for one in commands() if one not in NOT_HERE]


def test_what_does_not_run_here_is_on_the_page() -> None:
    assert set(NOT_HERE) <= set(commands())
    assert len(HERE) > 20


def test_each_test_that_is_named_is_there_and_names_the_subcommand() -> None:
    for command, why in NOT_HERE.items():
        for file in re.findall(r"tests/e2e/\w+\.py", why):
            if command.startswith(("dropreel", "make")):
                assert command.split()[1] in (ROOT / file).read_text(encoding="utf-8"), command


@pytest.fixture(scope="module")
def job_id(account: Account) -> str:
    """A job that was prepared, submitted and completed: every log has lines of it."""
    key = account.new_key()
    account.put(key, jpeg(6))
    return account.ended(key).job_id


def paste(
    account: Account, dropreel: InstalledCommand, command: str, answers: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a shell; `dropreel` is the installed command, on the local stack, confirmed where it asks."""
    local = "\n".join(f"export {name}={dropreel.environment[name]}" for name in (LOCAL_CLOUD_VARIABLE,))
    yes = "--yes" if ASKS.search(command) else ""
    function = f'dropreel() {{ "{COMMAND}" "$@" --local {yes}; }}'
    return pasted(account, f"{local}\n{function}\n{command}", answers)


@pytest.fixture(scope="module")
def restored(dropreel: InstalledCommand) -> "Iterator[None]":
    """The parameters that commands of the page change, as they were; without tracing until a command turns it on."""
    before = ("DailySpendLimitUsd=unlimited", "SubmitConcurrency=5", "LogRetentionDays=30", "KeepImagesDays=0")
    done = dropreel.call("set", "Tracing=PassThrough", "--yes", "--local")
    assert done.returncode == 0, done.stderr
    yield
    done = dropreel.call("set", *before, "Tracing=Active", "--yes", "--local")
    assert done.returncode == 0, done.stderr


@pytest.mark.exhaustive
@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("command", HERE, ids=lambda command: command[:60])
def test_a_command_of_the_page_works_as_it_is_written(
    account: Account, dropreel: InstalledCommand, job_id: str, command: str
) -> None:
    answers = f"{API_KEY}\n" if "put-secret-value" in command else ""
    given = command.replace("<job_id>", job_id).replace("NAME=VALUE", "LogRetentionDays=14")

    done = paste(account, dropreel, given, answers)
    if command == "dropreel pause":
        paste(account, dropreel, "dropreel unpause")

    assert done.returncode == 0, done.stderr
    if command.startswith("dropreel"):
        assert "Error" not in done.stderr
        assert done.stdout + done.stderr
    else:
        assert done.stderr == ""
        assert done.stdout.strip() not in ("", "None") or "purge-queue" in command
