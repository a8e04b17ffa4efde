"""`dropreel redrive` on the local cloud: dead letters go back, nothing is lost and nothing is paid twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.job_table import JobTable
from dropreel.domain.job import Job, JobStatus
from dropreel.domain.messages import RetryMessage, decode_message
from dropreel.use_cases.find_job import FindJob
from dropreel.use_cases.note_dead_letter import NoteDeadLetter
from dropreel.use_cases.publish_events import Publisher
from dropreel_cli.operations import now
from tests.e2e.conftest import COMMAND, Account, InstalledCommand
from tests.e2e.roles import command_without
from tests.e2e.terminal import Terminal
from tests.support.sample_events import load_event


@pytest.fixture(autouse=True)
def empty_queue(account: Account) -> Iterator[None]:
    account.client("sqs").purge_queue(QueueUrl=account.stack.outputs["DeadLetterQueueUrl"])
    yield
    account.client("sqs").purge_queue(QueueUrl=account.stack.outputs["DeadLetterQueueUrl"])


def dead_letter(account: Account, *, noted: bool = True) -> tuple[str, dict[str, Any]]:
    """Put the message of a request for an image's second video into the dead-letter queue; return the key and the message.

    `noted`: its job exists and has the reason `dead_letter`.
    """
    key = account.new_key()
    account.put(key)
    account.ended(key)
    event = load_event("video_generation_requested")
    event["detail"] = {"image": {"bucket": account.uploads, "key": key}, "request_id": key, "options": {"mode": "hq"}}
    put(account, event)
    if noted:
        jobs = JobTable(account.client("dynamodb"), account.stack.outputs["JobsTableName"])
        bus = EventBus(account.client("events"), account.stack.outputs["EventBusName"], account.stack.name)
        noter = NoteDeadLetter(jobs, FindJob(jobs, now), Publisher(jobs, bus), now)
        assert noter.run(decode_message(event), "no table.") is not None
    return key, event


def put(account: Account, message: Any) -> None:
    body = message if isinstance(message, str) else json.dumps(message)
    account.client("sqs").send_message(QueueUrl=account.stack.outputs["DeadLetterQueueUrl"], MessageBody=body)


def letters(account: Account) -> list[str]:
    """Return the bodies of the visible dead letters, and leave them visible."""
    sqs, url = account.client("sqs"), account.stack.outputs["DeadLetterQueueUrl"]
    found: dict[str, Any] = {}
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages"):
        found |= {one["MessageId"]: one for one in received}
    for one in found.values():
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    return [one["Body"] for one in found.values()]


def requested(account: Account, key: str) -> Job | None:
    """Return the job of the request for an image, if there is one."""
    return next((job for job in account.jobs_of(key) if job.request_id == key), None)


def completed(account: Account, key: str) -> Job:
    return account.job_when(key, lambda job: job.request_id == key and job.status is JobStatus.COMPLETED)


def hq_submissions(account: Account, key: str) -> int:
    return sum(one["request"]["mode"] == "hq" for one in account.submitted(key))


def test_a_dry_run_changes_nothing(account: Account, dropreel: InstalledCommand) -> None:
    noted, _ = dead_letter(account)
    new, _ = dead_letter(account, noted=False)
    put(account, "no JSON \u202e")
    before = sorted(letters(account))
    job = requested(account, noted)
    assert job is not None

    done = dropreel.call("redrive", "--dry-run", "--json", "--local")

    assert done.returncode == 1  # for the one that cannot be read
    document = json.loads(done.stdout)
    rows = {row["image_key"]: row for row in document["jobs"]}
    assert (rows[noted]["outcome"], rows[noted]["status"], rows[noted]["may_cost_usd"]) == ("planned", "deferred", 1.87)
    assert (rows[new]["status"], rows[new]["message"]) == (None, "becomes a job, is validated and submitted")
    assert [one["body"] for one in document["unreadable"]] == ["no JSON \u202e"]
    assert "\u202e" not in done.stderr
    assert (sorted(letters(account)), requested(account, noted), requested(account, new)) == (before, job, None)


def test_a_named_job_goes_back_and_the_others_stay_visible(account: Account, dropreel: InstalledCommand) -> None:
    chosen, _ = dead_letter(account)
    other, event = dead_letter(account)
    job = requested(account, chosen)
    assert job is not None

    terminal = Terminal([str(COMMAND), "redrive", job.job_id, "--local"], dropreel.environment)
    terminal.wait_for(
        "Send 1 message back to the submission queue? Nothing is paid twice; jobs that were never submitted"
    )
    assert requested(account, chosen) == job
    terminal.type("y\n")
    assert terminal.end() == 0

    completed(account, chosen)
    assert hq_submissions(account, chosen) == 1
    assert [json.loads(body) for body in letters(account)] == [event]
    document = dropreel.json("redrive", other, "--yes")
    assert [row["outcome"] for row in document["jobs"]] == ["done"]
    completed(account, other)
    assert letters(account) == []
    assert dropreel.json("redrive")["jobs"] == []


def test_a_copy_of_a_message_that_was_sent_changes_nothing(account: Account, dropreel: InstalledCommand) -> None:
    """What is left if the process dies between the send and the delete."""
    key, event = dead_letter(account)
    put(account, event)
    dropreel.json("redrive", "--yes")
    job = completed(account, key)
    put(account, event)
    put(account, RetryMessage(job.job_id, 1, 0).as_json())

    document = dropreel.json("redrive", "--yes")

    assert {row["message"] for row in document["jobs"]} == {"changes nothing: the job is completed"}
    assert {row["may_cost_usd"] for row in document["jobs"]} == {0.0}
    account.job_when(key, lambda _: letters(account) == [])
    assert hq_submissions(account, key) == 1


def test_refusals_and_ctrl_c_leave_every_message(
    account: Account, dropreel: InstalledCommand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key, event = dead_letter(account)

    unknown = dropreel.call("redrive", "f" * 24, "--yes", "--local")
    assert (unknown.returncode, "No message in the dead-letter queue belongs to" in unknown.stderr) == (2, True)
    unasked = dropreel.call("redrive", "--local")
    assert (unasked.returncode, "Confirm with --yes" in unasked.stderr) == (6, True)
    terminal = Terminal([str(COMMAND), "redrive", "--local"], dropreel.environment)
    terminal.wait_for("[y/N]")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "No message was sent back." in terminal.screen
    for action in ("sqs:SendMessage", "sqs:ReceiveMessage"):
        file = tmp_path_factory.mktemp("without") / "cloud.json"
        with command_without(account, dropreel.cloud_file, action, file):
            denied = replace(dropreel, cloud_file=file).call("redrive", "--yes", "--local")
        assert denied.returncode == 3
        assert action.lower() in denied.stderr.lower()
        assert "Traceback" not in denied.stderr

    assert [json.loads(body) for body in letters(account)] == [event]
    assert hq_submissions(account, key) == 0
