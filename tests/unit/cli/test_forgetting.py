"""`dropreel forget` on moto: what it finds, deletes and redacts, what it refuses, and a run that dies at any of its calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.forgetting import FORGOTTEN
from dropreel.domain.images import Image
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.exits import Exit
from dropreel_cli.object_versions import delete_versions, find_object
from tests.support.command_documents import validate_document
from tests.support.command_stack import CommandStack, command_stack, run
from tests.support.sample_jobs import OPTIONS, VIDEO, job_with

KEY = "team/anna.jpg"
WORDS = "Anna dances in Lindau"
LATER = datetime.now(UTC) + timedelta(hours=1)
"""When the jobs of this file were created: after the images of this run."""
BUCKETS = ("uploads", "prepared", "videos", "pictures-from-before")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    existing = {"ExistingUploadsBucketName": "pictures-from-before", "UploadsPrefix": "team/"}
    with command_stack(monkeypatch, UploadSettleSeconds="10", **existing) as found:
        found.stack.outputs["PreparedBucketName"] = "prepared"
        s3 = found.stack.client("s3")
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
            if bucket != "pictures-from-before":
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield found


def put(stack: CommandStack, bucket: str, *keys: str, times: int = 1) -> None:
    for key in keys:
        for number in range(times):
            stack.stack.client("s3").put_object(Bucket=bucket, Key=key, Body=f"{number}".encode())


def test_more_versions_than_one_page_are_all_found(stack: CommandStack, monkeypatch: pytest.MonkeyPatch) -> None:
    put(stack, "uploads", KEY, times=5)
    put(stack, "uploads", f"{KEY}.bak", times=3)
    stack.put(job_of(1))
    client = stack.stack.client("s3")
    real = client.list_object_versions
    truncated: list[bool] = []

    def two_a_page(**arguments: Any) -> Any:
        answer = real(**{**arguments, "MaxKeys": 2})
        truncated.append(answer["IsTruncated"])
        return answer

    monkeypatch.setattr(client, "list_object_versions", two_a_page)
    assert run("forget", KEY, "--yes") == Exit.DONE

    assert truncated.count(True) > 2
    monkeypatch.undo()
    assert objects(stack) == {("uploads", f"{KEY}.bak")}


def objects(stack: CommandStack) -> set[tuple[str, str]]:
    """Return each object that has a version or a delete marker."""
    found = set()
    for bucket in BUCKETS:
        listed = stack.stack.client("s3").list_object_versions(Bucket=bucket)
        every = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
        found |= {(bucket, one["Key"]) for one in every}
    return found


def job_of(number: int = 1, key: str = KEY, **changes: Any) -> Job:
    """Return a completed job of an image, with its owner's words."""
    fields: dict[str, Any] = {
        "job_id": f"{number:024x}",
        "status": JobStatus.COMPLETED,
        "charge": Charge.CHARGED,
        "image": Image("uploads", key, f"v{number}"),
        "created_at": LATER,
        "options": OPTIONS._replace(prompt=WORDS),
        "generation_id": f"gen_{number}",
    }
    return job_with(**{**fields, **changes})


def anna(stack: CommandStack) -> list[Job]:
    """Put an image with two jobs, of which the second was paid twice, and all that was made of them."""
    put(stack, "uploads", KEY, times=2)
    put(stack, "uploads", f"{KEY}.json", f"{KEY}.JSON")
    stack.stack.client("s3").delete_object(Bucket="uploads", Key=KEY)
    reason = Reason(ReasonCode.GENERATION_FAILED, f"it said {WORDS}", provider_error=WORDS)
    jobs = [job_of(1), job_of(2, status=JobStatus.FAILED, reason=reason, generation_id="gen_3", attempt=2)]
    stack.put(*jobs)
    stack.put_submission(jobs[0], LATER, generation_id="gen_1")
    stack.put_submission(jobs[1], LATER, generation_id="gen_2", status=JobStatus.FAILED, reason=reason)
    stack.put_submission(jobs[1], LATER, generation_id="gen_3", status=JobStatus.FAILED, reason=reason, attempt=2)
    put(stack, "prepared", *(f"{job.job_id}.jpg" for job in jobs))
    put(stack, "videos", *(f"team/anna-gen_{number}.{ending}" for number in (1, 2, 3) for ending in ("mp4", "json")))
    return jobs


def others(stack: CommandStack) -> set[tuple[str, str]]:
    """Put what looks like it and is not; return its objects."""
    put(
        stack, "uploads", "team/anna.jpg.bak", "team/anna.jpeg", "team/dropreel.json", f"{KEY}.json.old", f"{KEY}.jsonl"
    )
    put(stack, "prepared", f"{3:024x}.jpg")
    put(stack, "videos", "team/anna-gen_4.mp4", "team/anna-gen_12.mp4")
    stack.put(job_of(3, "team/anna.jpeg"))
    return objects(stack)


def words_left(stack: CommandStack) -> list[str]:
    """Return the ids of the rows that have the owner's words."""
    items = stack.dynamodb.scan(TableName="jobs")["Items"]
    return sorted(item["job_id"]["S"] for item in items if WORDS in json.dumps(item))


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    document = json.loads(capsys.readouterr().out)
    validate_document(document, "forget")
    return document


def test_all_that_is_stored_of_an_image_is_gone(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    kept = others(stack)
    anna(stack)

    assert run("forget", KEY, "--yes", "--json") == Exit.DONE

    assert objects(stack) == kept
    assert words_left(stack) == [f"{3:024x}"]
    (image,) = printed(capsys)["images"]
    assert (image["name"], image["outcome"]) == (KEY, "done")
    assert image["message"] == "13 object versions and 2 jobs deleted and redacted."
    found = {(one["kind"], one["key"], one["versions"]) for one in image["objects"]}
    assert {("image", KEY, 3), ("sidecar", f"{KEY}.json", 1), ("sidecar", f"{KEY}.JSON", 1)} <= found
    assert sorted(one["kind"] for one in image["objects"]) == [
        *["image"], *["prepared"] * 2, *["receipt"] * 3, *["sidecar"] * 2, *["video"] * 3
    ]  # fmt: skip


def test_the_oldest_version_goes_first_so_that_none_becomes_visible_again(
    stack: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(stack, "uploads", KEY, times=3)
    stack.put(job_of(1))
    client = stack.stack.client("s3")
    client.delete_object(Bucket="uploads", Key=KEY)
    real = client.delete_object
    visible: list[int] = []

    def delete(**arguments: Any) -> Any:
        answer = real(**arguments)
        visible.append(client.list_objects_v2(Bucket="uploads")["KeyCount"])
        return answer

    monkeypatch.setattr(client, "delete_object", delete)
    assert run("forget", KEY, "--yes") == Exit.DONE

    assert visible == [0, 0, 0, 0]


def test_a_forgotten_job_offers_no_download_of_its_video(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(job_of(1, video=VIDEO))
    assert run("show", f"{1:024x}", "--json") == Exit.DONE
    assert "s3 cp" in json.loads(capsys.readouterr().out)["next_commands"][0]["command"]
    assert run("forget", KEY, "--yes") == Exit.DONE
    capsys.readouterr()

    assert run("show", f"{1:024x}", "--json") == Exit.DONE
    assert json.loads(capsys.readouterr().out)["next_commands"] == []


def test_the_amounts_days_and_ids_stay(stack: CommandStack) -> None:
    jobs = anna(stack)
    stack.reserve("2026-05-04", 141)

    assert run("forget", KEY, "--yes") == Exit.DONE

    items = {(one["job_id"]["S"], one["row"]["S"]): one for one in stack.dynamodb.scan(TableName="jobs")["Items"]}
    assert len(items) == 2 + 3 + 3
    for job in jobs:
        row = items[job.job_id, "job"]
        assert row["cost_cents"] == {"N": str(job.cost_cents)}
        assert (row["image_key"], row["generation_id"]) == ({"S": KEY}, {"S": str(job.generation_id)})
        assert row["options"]["M"]["prompt"] == {"S": FORGOTTEN}
    assert items[jobs[1].job_id, "attempt#01#0000"]["reason"]["M"]["code"] == {"S": "generation_failed"}
    (day,) = stack.dynamodb.scan(TableName="spend")["Items"]
    assert day["reserved_cents"] == {"N": "141"}


def test_a_dry_run_changes_nothing(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    anna(stack)
    before = objects(stack)

    assert run("forget", KEY, "--dry-run") == Exit.DONE

    assert (objects(stack), len(words_left(stack))) == (before, 4)
    shown = capsys.readouterr().out
    assert "s3://uploads/team/anna.jpg " in shown
    assert "3 versions deleted" in shown
    assert "s3://videos/team/anna-gen_2.mp4" in shown
    assert run("forget", KEY, "--dry-run", "--json") == Exit.DONE
    document = printed(capsys)
    assert (document["dry_run"], document["images"][0]["outcome"]) == (True, "planned")


def test_without_a_yes_nothing_is_deleted(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    anna(stack)
    before = objects(stack)

    assert run("forget", KEY) == Exit.REFUSED

    assert objects(stack) == before
    assert "Delete and redact 13 object versions and 2 jobs for good? It cannot be undone." in capsys.readouterr().err


def test_a_second_run_says_that_nothing_is_left(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    anna(stack)
    assert run("forget", KEY, "--yes") == Exit.DONE
    capsys.readouterr()

    assert run("forget", KEY, "--yes", "--json") == Exit.DONE
    (image,) = printed(capsys)["images"]
    assert (image["outcome"], image["objects"], image["jobs"]) == ("nothing_left", [], [])
    assert run("forget", KEY) == Exit.DONE
    assert "Nothing is left of it but" in capsys.readouterr().err


def test_a_key_that_nothing_has_is_no_success(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    anna(stack)

    assert run("forget", "team/ana.jpg", KEY, "--yes", "--json") == Exit.FAILED

    document = printed(capsys)
    assert [one["outcome"] for one in document["images"]] == ["not_found", "done"]
    assert "There is no object and no job with the key team/ana.jpg." in document["images"][0]["message"]


def test_an_image_that_never_became_a_job_is_deleted(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(stack, "uploads", "old.jpg")
    assert run("forget", "old.jpg", "--yes") == Exit.REFUSED
    assert "UTC and has no job yet. Wait until its job has ended." in capsys.readouterr().err
    assert objects(stack) == {("uploads", "old.jpg")}

    monkeypatch.setattr("dropreel_cli.forgetting.now", lambda: datetime.now(UTC) + timedelta(seconds=311))
    assert run("forget", "old.jpg", "--yes") == Exit.DONE
    assert objects(stack) == set()


@pytest.mark.parametrize("status", [one for one in JobStatus if one not in ("completed", "failed", "rejected")])
def test_an_image_with_a_job_that_has_not_ended_is_refused(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], status: JobStatus
) -> None:
    anna(stack)
    stack.put(job_of(4, status=status))
    before = objects(stack)

    assert run("forget", KEY, "--yes", "--json") == Exit.REFUSED

    assert (objects(stack), len(words_left(stack))) == (before, 5)
    (image,) = printed(capsys)["images"]
    assert image["outcome"] == "refused"
    assert f"Job {4:024x} is {status.value}. " in image["message"]


def test_a_job_that_begins_while_it_is_asked_is_seen(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna(stack)
    before = objects(stack)

    def upload_again(*_: object, **__: object) -> None:
        stack.put(job_of(4, status=JobStatus.GENERATING))

    monkeypatch.setattr("dropreel_cli.output.Output.confirm", upload_again)
    assert run("forget", KEY) == Exit.REFUSED

    assert objects(stack) == before
    assert "is generating. Wait for its video" in capsys.readouterr().err


def test_a_video_that_is_delivered_while_it_is_asked_is_not_left_behind(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed job is resumed, and its video is in the bucket before the answer."""
    jobs = anna(stack)
    client = stack.stack.client("s3")
    (late,) = find_object(client, "video", "videos", "team/anna-gen_3.mp4")
    delete_versions(client, late)

    def deliver(*_: object, **__: object) -> None:
        put(stack, "videos", late.key)
        stack.put(replace(jobs[1], status=JobStatus.COMPLETED, reason=None, resumes=1, version=jobs[1].version + 3))

    monkeypatch.setattr("dropreel_cli.output.Output.confirm", deliver)
    assert run("forget", KEY) == Exit.REFUSED
    assert f"Job {jobs[1].job_id} was changed meanwhile, and nothing was deleted." in capsys.readouterr().err

    monkeypatch.setattr("dropreel_cli.output.Output.confirm", lambda *_, **__: None)
    assert run("forget", KEY) == Exit.DONE
    assert objects(stack) == set()


def test_a_version_that_is_uploaded_while_it_is_asked_stays(
    stack: CommandStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna(stack)
    monkeypatch.setattr("dropreel_cli.output.Output.confirm", lambda *_, **__: put(stack, "uploads", KEY))

    assert run("forget", KEY) == Exit.DONE

    assert objects(stack) == {("uploads", KEY)}


def test_an_address_names_one_bucket(stack: CommandStack) -> None:
    put(stack, "uploads", KEY)
    put(stack, "pictures-from-before", KEY)
    mine, theirs = job_of(1), job_of(2, image=Image("pictures-from-before", KEY, etag="e"))
    stack.put(mine, theirs)

    assert run("forget", f"s3://pictures-from-before/{KEY}", "--yes") == Exit.DONE
    assert objects(stack) == {("uploads", KEY)}
    assert words_left(stack) == [mine.job_id]

    assert run("forget", KEY, "--yes") == Exit.DONE
    assert (objects(stack), words_left(stack)) == (set(), [])


def test_the_existing_bucket_is_left_alone_outside_its_prefix(stack: CommandStack) -> None:
    put(stack, "pictures-from-before", "mine/x.jpg")
    stack.put(job_of(1, "mine/x.jpg"))

    assert run("forget", "mine/x.jpg", "--yes") == Exit.DONE

    assert objects(stack) == {("pictures-from-before", "mine/x.jpg")}


def test_a_bucket_that_is_gone_has_nothing_left(stack: CommandStack) -> None:
    anna(stack)
    stack.stack.client("s3").delete_bucket(Bucket="pictures-from-before")

    assert run("forget", KEY, "--yes") == Exit.DONE

    assert words_left(stack) == []


@pytest.mark.parametrize("typed", ["team/Zo\u00eb.jpg", "team/Zoe\u0308.jpg"])
def test_a_key_counts_in_each_spelling(stack: CommandStack, typed: str) -> None:
    put(stack, "uploads", "team/Zoe\u0308.jpg", "team/Zo\u00eb.jpg.json")
    stack.put(job_of(1, "team/Zoe\u0308.jpg"))

    assert run("forget", typed, "--yes") == Exit.DONE

    assert (objects(stack), words_left(stack)) == (set(), [])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "Missing argument 'KEY...'"),
        ([""], "A key has 1 to 1,024 bytes of UTF-8"),
        (["x" * 1025], "A key has 1 to 1,024 bytes of UTF-8"),
        (["s3://uploads/"], "A key has 1 to 1,024 bytes of UTF-8"),
        (["team/dropreel.json"], "holds the options of a folder, not of one image"),
        (["s3://videos/team/anna-gen_1.mp4"], "is not the address of an image of this stack."),
        (["s3://pictures-from-before/x.jpg"], "Allowed: s3://uploads/KEY or s3://pictures-from-before/team/KEY."),
    ],
)
def test_a_wrong_call_deletes_nothing(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    anna(stack)
    before = objects(stack)

    assert run("forget", KEY, *arguments, "--yes") == Exit.USAGE if arguments else run("forget") == Exit.USAGE

    assert why in capsys.readouterr().err
    assert objects(stack) == before


# --- a run that dies ----------------------------------------------------------------------------------------------------


@contextmanager
def fault_at(stack: CommandStack, call: int | str, code: str = "InternalError") -> Iterator[list[str]]:
    """Let the call of AWS with this number (counted from 0) or name fail. Yields the names of the calls."""
    calls: list[str] = []

    def count(model: Any, **_: object) -> None:
        calls.append(model.name)
        if call in (len(calls) - 1, model.name):
            raise ClientError({"Error": {"Code": code, "Message": "by the test"}}, model.name)

    clients = [stack.stack.client(service) for service in ("s3", "dynamodb")]
    for client in clients:
        client.meta.events.register("before-call", count, unique_id="fault")
    try:
        yield calls
    finally:
        for client in clients:
            client.meta.events.unregister("before-call", unique_id="fault")


def test_a_run_that_dies_at_any_call_is_completed_by_the_next(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill() -> None:
        put(stack, "uploads", KEY, f"{KEY}.json")
        put(stack, "prepared", f"{1:024x}.jpg")
        put(stack, "videos", "team/anna-gen_1.mp4", "team/anna-gen_1.json")
        stack.put(job_of(1))
        reason = Reason(ReasonCode.TIMED_OUT, WORDS)
        stack.put_submission(job_of(1), LATER, generation_id="gen_1", reason=reason)

    fill()
    with fault_at(stack, "none of them") as calls:
        assert run("forget", KEY, "--yes") == Exit.DONE
    first = calls.index("DeleteObject")
    writes = ["DeleteObject"] * 5 + ["GetItem", "Query", "UpdateItem", "UpdateItem"]
    assert calls[first:] == writes
    for number in range(first - 1, len(calls)):  # before that it only reads
        fill()
        before = objects(stack)
        with fault_at(stack, number):
            assert run("forget", KEY, "--yes") != Exit.DONE
        assert len(objects(stack)) == len(before) - min(5, max(0, number - first))
        assert run("forget", KEY, "--yes") == Exit.DONE
        assert (objects(stack), words_left(stack)) == (set(), [])
    capsys.readouterr()


def test_a_missing_permission_names_it_and_how_to_continue(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    anna(stack)
    put(stack, "uploads", "two words.jpg")
    stack.put(job_of(5, "two words.jpg"))
    with fault_at(stack, "DeleteObject", "AccessDenied") as calls:
        status = run("forget", KEY, "two words.jpg", "--yes")

    assert (status, calls[-1]) == (Exit.UNREACHABLE, "DeleteObject")
    shown = capsys.readouterr().err
    assert "not allowed to do this: by the test" in shown
    assert f"Continue: dropreel forget -- {KEY} 'two words.jpg'" in shown


def test_a_job_that_was_resumed_meanwhile_is_named(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = anna(stack)
    real = stack.stack.client("s3").delete_object

    def resume(**arguments: Any) -> Any:
        stack.put(replace(jobs[1], status=JobStatus.GENERATING, version=2))
        return real(**arguments)

    monkeypatch.setattr(stack.stack.client("s3"), "delete_object", resume)
    assert run("forget", KEY, "--yes", "--json") == Exit.FAILED

    (image,) = printed(capsys)["images"]
    assert image["outcome"] == "failed"
    assert f"Job {jobs[1].job_id} is generating." in image["message"]
