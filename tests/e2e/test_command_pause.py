"""`dropreel pause` and `unpause`: no submission starts while the stack is paused, and what was submitted is delivered."""

import time

from dropreel.domain.job import JobStatus
from tests.e2e.conftest import Account, InstalledCommand


def _drop_and_wait_for_the_queue(account: Account, key: str) -> None:
    """Upload an image to a paused stack; return when its message can be received."""
    account.put(key)
    url, client = account.stack.outputs["QueueUrl"], account.client("sqs")
    for _ in range(100):
        waiting = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        if waiting["Attributes"]["ApproximateNumberOfMessages"] != "0":
            return
        time.sleep(0.1)
    raise AssertionError(f"{key} has no message in the queue")


def test_a_paused_stack_submits_nothing_and_continues_after_unpause(
    account: Account, dropreel: InstalledCommand
) -> None:
    running, late = account.new_key(), account.new_key()
    account.simulator.set_pace(created_seconds=0, processing_seconds=2)
    account.put(running)
    account.job_when(running, lambda job: job.status is JobStatus.GENERATING)
    try:
        assert dropreel.json("pause") == {"version": 1, "paused": True, "state": "Disabled"}
        _drop_and_wait_for_the_queue(account, late)

        # What was submitted is delivered; what was not is not.
        assert account.ended(running).status is JobStatus.COMPLETED
        again = dropreel.run("pause", "--local")
        assert again.returncode == 0
        assert "PAUSED" in again.stdout
        assert "To continue: dropreel unpause --local" in again.stdout
        assert account.jobs_of(late) == []
        assert account.submitted(late) == []

        # What waits costs money: without a terminal it is not released without --yes.
        refused = dropreel.run("unpause", "--local")
        assert refused.returncode == 6
        assert "in the queue, to be submitted and paid" in refused.stderr
        assert "--yes" in refused.stderr
        assert dropreel.json("pause")["state"] == "Disabled"
    finally:
        released = dropreel.json("unpause", "--yes")

    assert released["state"] == "Enabled"
    assert released["messages_waiting"] >= 1
    assert account.ended(late).status is JobStatus.COMPLETED
    assert len(account.submitted(late)) == 1


def test_a_change_of_a_parameter_leaves_the_stack_paused(account: Account, dropreel: InstalledCommand) -> None:
    before = account.stack.parameters["SubmitConcurrency"]
    dropreel.json("pause")
    try:
        done = dropreel.run("set", f"SubmitConcurrency={int(before) + 1}", "--yes", "--local")
        assert done.returncode == 0, done.stderr
        assert "PAUSED" in done.stderr
        assert dropreel.json("pause")["state"] == "Disabled"
    finally:
        dropreel.json("unpause", "--yes")
        dropreel.json("set", f"SubmitConcurrency={before}", "--yes")


def test_wrong_calls(dropreel: InstalledCommand) -> None:
    calls = [
        (dropreel.run("pause", "--local", "--stack", "other"), 2),
        (dropreel.run("pause", "--quickly"), 2),
        (dropreel.run("unpause", "--local", DROPREEL_LOCAL_CLOUD="/nowhere/cloud.json"), 3),
    ]

    for done, exit_status in calls:
        assert done.returncode == exit_status, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
