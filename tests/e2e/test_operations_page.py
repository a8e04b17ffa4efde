"""Every command of docs/operations.md, pasted in the local cloud: those that deploy in test_operations_deploys.py, all others here."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel_cli.connection import LOCAL_CLOUD_VARIABLE
from local.cloud import API_KEY, ROOT
from tests.e2e.command_scene import Scene
from tests.e2e.conftest import COMMAND, EXISTING_BUCKET, Account, InstalledCommand
from tests.e2e.made_jobs import CUT_AND_UNPAID, failed_job, unknown_job
from tests.e2e.operations_page import commands
from tests.e2e.terminal import answered
from tests.e2e.test_command_redrive import dead_letter, requested
from tests.e2e.test_first_deployment import pasted, shell_functions
from tests.e2e.test_operations_deploys import DEPLOYS
from tests.support.pictures import jpeg

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKS = re.compile(r"dropreel (resume|adopt|abandon|resubmit|redrive|unpause|set|forget)\b(?!.*--dry-run)")
HERE = [one for one in commands() if one not in DEPLOYS]


def test_the_page_has_commands_for_both_files() -> None:
    assert len(HERE) > 30
    assert set(DEPLOYS) <= set(commands())


@pytest.fixture(scope="module")
def job_id(account: Account) -> str:
    """A job that was prepared, submitted and completed: every log has lines of it."""
    key = account.new_key()
    account.put(key, jpeg(6))
    return account.ended(key).job_id


def paste(account: Account, dropreel: InstalledCommand, command: str) -> tuple[int, str]:
    """Run a command in a shell on a terminal, where each question is answered with y. `dropreel` is the installed command.

    It runs on the local stack. Return its exit status and the screen.
    """
    local = f"export {LOCAL_CLOUD_VARIABLE}={dropreel.environment[LOCAL_CLOUD_VARIABLE]}"
    function = f'dropreel() {{ "{COMMAND}" "$@" --local; }}'
    script = "\n".join([shell_functions(account), local, function, command])
    here = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    path = f"{ROOT / '.venvs' / 'aws' / 'bin'}:{os.environ['PATH']}"
    environment = {**here, **account.cloud.engine.environment, "AWS_PAGER": "", "PATH": path}
    shell = ["bash", "-uo", "pipefail", "-c", script]
    return answered(shell, {"": ["y"] * 3}, cwd=ROOT, environment=environment)


@pytest.fixture(scope="module")
def restored(dropreel: InstalledCommand) -> "Iterator[None]":
    """The parameters that commands of the page change, as they were; without tracing until a command turns it on."""
    before = ("DailySpendLimitUsd=unlimited", "SubmitConcurrency=5", "LogRetentionDays=30", "KeepImagesDays=0")
    done = dropreel.call("set", "Tracing=PassThrough", "--yes", "--local")
    assert done.returncode == 0, done.stderr
    yield
    done = dropreel.call("set", *before, "Tracing=Active", "--yes", "--local")
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Decided:
    """A job that a command decides about: its placeholders on the page, and the status that it has afterwards."""

    job: Job
    ends: JobStatus
    generation_id: str = ""


def decided(account: Account, command: str) -> Decided:
    """Make the job of the right kind for a command."""
    match command.split()[1]:
        case "resume":
            return Decided(failed_job(account), JobStatus.COMPLETED)
        case "adopt":
            job = unknown_job(account)
            return Decided(job, JobStatus.COMPLETED, str(account.submitted(job.image.key)[0]["id"]))
        case "abandon":
            return Decided(unknown_job(account, CUT_AND_UNPAID), JobStatus.FAILED)
        case "resubmit":
            return Decided(unknown_job(account, CUT_AND_UNPAID), JobStatus.COMPLETED)
        case "redrive":
            key, _ = dead_letter(account)
            noted = requested(account, key)
            assert noted is not None
            return Decided(noted, JobStatus.COMPLETED)
    raise AssertionError(command)


def given_for(account: Account, dropreel: InstalledCommand, command: str) -> str:
    """Make what a command needs beside a job, and return it with its placeholders replaced."""
    if command == "dropreel doctor":  # the existing bucket of the shared stack, as docs/existing-account.md makes it
        s3 = account.client("s3")
        s3.create_bucket(Bucket=EXISTING_BUCKET)
        events: dict[str, Any] = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=EXISTING_BUCKET, NotificationConfiguration=events)
    if command == "dropreel unpause":
        Scene(account, dropreel, ROOT).pause()
    if command == "dropreel forget KEY":
        key = account.new_key()
        account.put(key)
        account.ended(key)
        return command.replace("KEY", key)
    return command.replace("NAME=VALUE", "LogRetentionDays=14")


DECIDES = [one for one in HERE if re.match(r"dropreel (resume|adopt|abandon|resubmit|redrive) <job_id>", one)]
OTHERS = [one for one in HERE if one not in DECIDES]


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", DECIDES)
def test_a_command_decides_about_the_job_that_is_pasted(
    account: Account, dropreel: InstalledCommand, command: str
) -> None:
    made = decided(account, command)
    given = command.replace("<job_id>", made.job.job_id).replace("<generation_id>", made.generation_id)

    status, screen = paste(account, dropreel, given)

    assert status == 0, screen
    assert "[y/N]" in screen
    account.job_when(
        made.job.image.key,
        lambda job: job.job_id == made.job.job_id and job.status is made.ends and not job.pending_events,
    )


@pytest.mark.exhaustive
@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("command", OTHERS, ids=lambda command: command[:60])
def test_a_command_of_the_page_works_as_it_is_written(
    account: Account, dropreel: InstalledCommand, job_id: str, command: str
) -> None:
    given = given_for(account, dropreel, command).replace("<job_id>", job_id)

    if command.startswith("dropreel"):
        status, screen = paste(account, dropreel, given)
        if command == "dropreel pause":
            paste(account, dropreel, "dropreel unpause")
        assert status == 0, screen
        assert "Error" not in screen
        assert screen.strip()
        assert "[y/N]" in screen or not ASKS.search(command) or "othing" in screen or "No " in screen, screen
    else:
        done = pasted(account, given, f"{API_KEY}\n" if "put-secret-value" in command else "")
        assert (done.returncode, done.stderr) == (0, "")
        assert set(done.stdout.split()) - {"None"} or "purge-queue" in command  # None alone: the query found no field
