"""`dropreel resume`, `adopt`, `abandon` and `resubmit` on the local cloud. The simulator's submissions say what was paid."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from tests.e2e.conftest import COMMAND, Account, InstalledCommand
from tests.e2e.made_jobs import CUT_AND_UNPAID, failed_job, unknown_job
from tests.e2e.roles import command_without
from tests.e2e.terminal import Terminal
from tests.support.command_documents import validate_document


def delivered(account: Account, job: Job) -> Job:
    return account.job_when(job.image.key, lambda one: one.status is JobStatus.COMPLETED and not one.pending_events)


def now(account: Account, job: Job) -> Job:
    """Return a job as it is now."""
    (found,) = account.jobs_of(job.image.key)
    return found


def outcomes(document: Any) -> dict[str, str]:
    return {job["job_id"]: job["outcome"] for job in document["jobs"]}


def in_terminal(dropreel: InstalledCommand, *arguments: str) -> Terminal:
    return Terminal([str(COMMAND), *arguments, "--local"], dropreel.environment)


def refused(dropreel: InstalledCommand, *arguments: str) -> tuple[int, str]:
    """Run a command that fails; return its exit status and what it prints on standard error."""
    done = dropreel.call(*arguments, "--local")
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stderr


def test_failed_jobs_are_resumed_and_delivered_unpaid(account: Account, dropreel: InstalledCommand) -> None:
    by_key, by_generation, completed = failed_job(account), failed_job(account), delivered_image(account)
    generation_id = by_generation.generation_id
    assert generation_id is not None
    names = (by_key.image.key, generation_id, completed.job_id)

    # A dry run changes nothing, and says what would happen to each.
    planned = dropreel.call("resume", *names, "--dry-run", "--local")
    assert planned.returncode == 1
    assert f"polls generation {generation_id} again" in planned.stdout
    assert f"refused: Job {completed.job_id} is completed; only a failed one" in planned.stdout
    assert [now(account, job) for job in (by_key, by_generation)] == [by_key, by_generation]

    # Without a terminal and without --yes it cannot ask, and does nothing.
    status, message = refused(dropreel, "resume", by_key.job_id)
    assert status == 6
    assert "Resume 1 job? Nothing is paid again. Nothing was done: there is no terminal" in message
    assert now(account, by_key) == by_key

    done = dropreel.call("resume", *names, "--yes", "--json", "--local")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    validate_document(document, "resume")
    assert outcomes(document) == {by_key.job_id: "done", by_generation.job_id: "done", completed.job_id: "refused"}
    assert {job["may_cost_usd"] for job in document["jobs"]} == {0.0}

    for job in (by_key, by_generation):
        assert delivered(account, job).resumes == 1
        assert len(account.submitted(job.image.key)) == 1


def delivered_image(account: Account) -> Job:
    key = account.new_key()
    account.put(key)
    return account.ended(key)


def test_all_that_failed_are_found_by_their_reason(account: Account, dropreel: InstalledCommand) -> None:
    job = failed_job(account)

    planned = dropreel.json("resume", "--reason", "watch_ended", "--since", "10m", "--dry-run")
    assert job.job_id in outcomes(planned)
    assert job.job_id in outcomes(dropreel.json("resume", "--all", "--since", "10m", "--dry-run"))
    none = dropreel.json("resume", "--reason", "timed_out", "--since", "10m")
    assert job.job_id not in outcomes(none)
    status, message = refused(dropreel, "resume", "--reason", "content_refused")
    assert (status, "--reason takes: check_failed, delivery_failed" in message) == (2, True)
    assert refused(dropreel, "resume")[0] == refused(dropreel, "resume", "x", "--all")[0] == 2

    terminal = in_terminal(dropreel, "resume", "--reason", "watch_ended", "--since", "10m")
    terminal.wait_for("[y/N]")
    assert now(account, job) == job
    terminal.type("y\n")
    assert terminal.end() == 0
    assert f"{job.job_id}  generating" in terminal.screen
    delivered(account, job)


def test_a_generation_is_adopted_after_all_checks(account: Account, dropreel: InstalledCommand) -> None:
    job, other = unknown_job(account), delivered_image(account)
    (submission,) = account.submitted(job.image.key)
    assert submission["paid"]

    wrong = {
        "gen_of_no_job": "The provider does not know the generation gen_of_no_job.",
        str(other.generation_id): f"belongs to job {other.job_id}",
        "..": "is not a generation id",
    }
    for generation_id, why in wrong.items():
        done = dropreel.call("adopt", job.job_id, generation_id, "--yes", "--json", "--local")
        assert done.returncode == 6
        (row,) = json.loads(done.stdout)["jobs"]
        assert (row["outcome"], why in row["message"]) == ("refused", True)
    assert refused(dropreel, "adopt", other.job_id, submission["id"], "--yes")[0] == 6
    assert now(account, job) == job

    assert outcomes(dropreel.json("adopt", job.image.key, submission["id"], "--dry-run")) == {job.job_id: "planned"}
    assert now(account, job) == job
    assert outcomes(dropreel.json("adopt", job.image.key, submission["id"], "--yes")) == {job.job_id: "done"}
    adopted = delivered(account, job)
    assert (adopted.generation_id, adopted.charge) == (submission["id"], "charged")
    assert len(account.submitted(job.image.key)) == 1


def test_a_resubmission_is_refused_until_it_may_pay_twice(account: Account, dropreel: InstalledCommand) -> None:
    job = unknown_job(account, CUT_AND_UNPAID)

    status, message = refused(dropreel, "resubmit", job.job_id, "--yes")
    assert status == 6
    assert "MAY PAY TWICE" in message
    assert "Reserved today (UTC): $" in message
    assert "Nothing was submitted: 1 job for up to $0.47 may be paid twice" in message
    assert "add --may-pay-twice" in message
    (row,) = dropreel.json("resubmit", job.job_id, "--dry-run")["jobs"]
    assert (row["outcome"], row["may_cost_usd"]) == ("planned", 0.47)
    status, message = refused(dropreel, "resubmit", job.job_id, "--may-pay-twice")
    assert (status, "Submit 1 job again, for up to $0.47? It may be paid twice." in message) == (6, True)
    assert now(account, job) == job
    assert len(account.submitted(job.image.key)) == 1

    document = dropreel.json("resubmit", job.job_id, "--may-pay-twice", "--yes")
    assert outcomes(document) == {job.job_id: "done"}
    assert delivered(account, job).attempt == 2
    assert len(account.submitted(job.image.key)) == 2
    assert refused(dropreel, "resubmit", job.job_id, "--may-pay-twice", "--yes")[0] == 6
    assert len(account.submitted(job.image.key)) == 2


def test_unknown_jobs_are_abandoned_after_a_yes(account: Account, dropreel: InstalledCommand) -> None:
    job = unknown_job(account)

    for answer, exit_status in (("n\n", 6), ("\n", 6)):
        terminal = in_terminal(dropreel, "abandon", job.job_id)
        terminal.wait_for("Abandon 1 job? Nothing more is paid; what may have been charged stays counted. [y/N]")
        terminal.type(answer)
        assert terminal.end() == exit_status
        assert "Nothing was done." in terminal.screen
    stopped = in_terminal(dropreel, "abandon", job.job_id)
    stopped.wait_for("[y/N]")
    stopped.interrupt()
    assert stopped.end() == 130
    assert now(account, job) == job

    document = dropreel.json("abandon", "--status", "unknown", "--since", "10m", "--yes")
    assert outcomes(document)[job.job_id] == "done"
    abandoned = account.ended(job.image.key)
    assert (abandoned.status, abandoned.charge, abandoned.reason.code) == ("failed", "unknown", "abandoned")
    assert len(account.submitted(job.image.key)) == 1
    again = dropreel.json("abandon", job.job_id, "--yes")
    assert "is abandoned already" in again["jobs"][0]["message"]


def test_wrong_names_end_with_2_and_a_next_step(account: Account, dropreel: InstalledCommand) -> None:
    key = account.new_key()
    account.put(key)
    account.ended(key)
    account.put(key)
    account.job_when(key, lambda _: len(account.jobs_of(key)) == 2)

    for command in (["resume", "f" * 24], ["abandon", "no such key"], ["adopt", "\x1b[31m", "gen_1"]):
        status, message = refused(dropreel, *command, "--yes")
        assert status == 2
        assert "There is no job" in message
        assert "`dropreel jobs`" in message
        assert "\x1b" not in message
    status, message = refused(dropreel, "resume", key)
    assert status == 2
    assert "names several jobs. Take the id of one:" in message
    assert all(job.job_id in message for job in account.jobs_of(key))


@contextmanager
def lacking(account: Account, dropreel: InstalledCommand, tmp_path: Path, action: str) -> Iterator[InstalledCommand]:
    """Yield the command with credentials that permit everything but one action."""
    with command_without(account, dropreel.cloud_file, action, tmp_path / "cloud.json") as file:
        yield replace(dropreel, cloud_file=file)


@pytest.mark.parametrize("action", ["states:StartExecution", "dynamodb:UpdateItem"])
def test_a_missing_permission_is_named_and_the_rest_is_left(
    account: Account, dropreel: InstalledCommand, tmp_path: Path, action: str
) -> None:
    job = failed_job(account)

    with lacking(account, dropreel, tmp_path, action) as limited:
        status, message = refused(limited, "resume", job.job_id, "--yes")

    assert status == 3
    assert action in message
    again = f"Continue: dropreel resume {job.job_id} --local"
    assert again in message
    # The command to paste completes what is half done.
    assert outcomes(dropreel.json("resume", job.job_id, "--yes")) == {job.job_id: "done"}
    assert delivered(account, job).resumes == 1
    assert len(account.submitted(job.image.key)) == 1


@pytest.mark.parametrize(
    ("action", "command"),
    [
        ("secretsmanager:GetSecretValue", ["adopt", "JOB", "gen_1"]),
        ("dynamodb:GetItem", ["abandon", "JOB"]),
        ("sqs:SendMessage", ["resubmit", "JOB", "--may-pay-twice"]),
    ],
)
def test_each_decision_names_the_permission_that_it_lacks(
    account: Account, dropreel: InstalledCommand, tmp_path: Path, action: str, command: list[str]
) -> None:
    job = unknown_job(account, CUT_AND_UNPAID)
    filled = [job.job_id if word == "JOB" else word for word in command]

    with lacking(account, dropreel, tmp_path, action) as limited:
        status, message = refused(limited, *filled, "--yes")
    assert status == 3
    assert action.lower() in message.lower()

    if command[0] == "resubmit":  # it was saved, and its message was not sent: the same command sends it
        assert outcomes(dropreel.json(*filled, "--yes")) == {job.job_id: "done"}
        delivered(account, job)
        assert len(account.submitted(job.image.key)) == 2
