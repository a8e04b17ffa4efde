"""`dropreel forget` on the local cloud: with IAM, S3 versions, and jobs that the stack itself has made."""

import json
from typing import Any

from dropreel.domain.job import Job, JobStatus
from tests.e2e.conftest import EXISTING_BUCKET, SAMPLE, Account, InstalledCommand
from tests.support.command_documents import validate_document
from tests.support.phone_pictures import photograph

WORDS = "Anna dances in Lindau"


def stored_of(account: Account, *words: str) -> list[str]:
    """Return all versions in all buckets of the account whose keys have one of these words."""
    s3 = account.client("s3")
    found = []
    for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
            found += [f"{bucket}/{one['Key']}" for one in listed if any(word in one["Key"] for word in words)]
    return sorted(found)


def table_of(account: Account) -> list[Any]:
    pages = account.client("dynamodb").get_paginator("scan").paginate(TableName=account.stack.outputs["JobsTableName"])
    return [item for page in pages for item in page["Items"]]


def completed(account: Account, key: str, number: int) -> list[Job]:
    """Return the jobs of an image once there are so many, all are completed, and their events are published."""

    def is_each_completed(_: Job) -> bool:
        jobs = account.jobs_of(key)
        is_all = len(jobs) == number and {job.status for job in jobs} == {JobStatus.COMPLETED}
        return is_all and not any(job.pending_events for job in jobs)

    account.job_when(key, is_each_completed)
    return account.jobs_of(key)


def test_all_that_the_stack_has_of_an_image_is_gone(account: Account, dropreel: InstalledCommand) -> None:
    # Given an image that is prepared and delivered twice, with a sidecar; another in its folder, with the folder's options.
    key, other = account.new_key("anna.bmp"), account.new_key("otto.jpg")
    folder = key.rpartition("/")[0]
    account.put(f"{folder}/dropreel.json", json.dumps({"mode": "hq"}).encode())
    account.put(f"{key}.json", json.dumps({"prompt": WORDS, "negative_prompt": f"no {WORDS}"}).encode())
    account.put(other)
    picture = photograph("BMP", (1200, 800))
    for number in (1, 2):
        account.put(key, picture + bytes(number))
        jobs = completed(account, key, number)
    account.ended(other)
    words = [f"{folder}/anna", *(job.job_id for job in jobs)]
    before, spent = stored_of(account, *words), dropreel.json("spend", "--days", "1")
    assert [job.image.prepared is not None for job in jobs] == [True, True]
    assert len(before) == 2 + 1 + 2 + 4
    assert WORDS in json.dumps(table_of(account))
    kept = stored_of(account, "otto", "dropreel.json")

    # A dry run, and a call without a yes, change nothing.
    (image,) = dropreel.json("forget", key, "--dry-run")["images"]
    assert image["outcome"] == "planned"
    done = dropreel.call("forget", key, "--local")
    assert done.returncode == 6
    assert (
        "Delete and redact 9 object versions and 2 jobs for good? It cannot be undone. Nothing was done" in done.stderr
    )
    assert stored_of(account, *words) == before

    # When it is forgotten.
    (image,) = dropreel.json("forget", key, "--yes")["images"]

    # Then no version of it is left, no row has its words, and what was spent stays.
    assert (image["outcome"], len(image["jobs"])) == ("done", 2)
    assert sum(one["versions"] for one in image["objects"]) == 9
    assert stored_of(account, *words) == []
    assert stored_of(account, "otto", "dropreel.json") == kept
    assert WORDS not in json.dumps(table_of(account))
    assert dropreel.json("spend", "--days", "1")["days"] == spent["days"]
    (shown,) = [one for one in dropreel.json("jobs", "--key-prefix", key)["jobs"] if one["job_id"] == jobs[0].job_id]
    assert (shown["status"], shown["image"]["key"]) == ("completed", key)
    assert dropreel.json("show", jobs[0].job_id)["job"]["options"]["prompt"] == "(forgotten)"

    # A second run has nothing left to do.
    (again,) = dropreel.json("forget", key, "--yes")["images"]
    assert (again["outcome"], again["objects"], again["jobs"]) == ("nothing_left", [], [])


def test_an_image_whose_video_is_paid_is_refused_until_it_is_delivered(
    account: Account, dropreel: InstalledCommand
) -> None:
    account.simulator.set_pace(created_seconds=0, processing_seconds=3)
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.GENERATING)
    before = stored_of(account, key)

    done = dropreel.call("forget", key, "--yes", "--json", "--local")

    assert done.returncode == 6
    document = json.loads(done.stdout)
    validate_document(document, "forget")
    (image,) = document["images"]
    assert image["outcome"] == "refused"
    assert image["message"] == f"Job {job.job_id} is generating. Wait for its video: it is paid already."
    assert stored_of(account, key) == before
    assert account.ended(key).status is JobStatus.COMPLETED
    assert dropreel.json("forget", key, "--yes")["images"][0]["outcome"] == "done"


def test_an_image_in_a_bucket_without_versions(account: Account, dropreel: InstalledCommand) -> None:
    s3, key = account.client("s3"), account.new_key()
    s3.create_bucket(Bucket=EXISTING_BUCKET)
    s3.put_bucket_notification_configuration(
        Bucket=EXISTING_BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket=EXISTING_BUCKET, Key=key, Body=SAMPLE.read_bytes())
    job = account.ended(key)
    assert job.image.bucket == EXISTING_BUCKET

    (image,) = dropreel.json("forget", f"s3://{EXISTING_BUCKET}/{key}", "--yes")["images"]

    assert image["outcome"] == "done"
    assert stored_of(account, key.rpartition("/")[0], job.job_id) == []


def test_wrong_names_end_with_a_next_step(account: Account, dropreel: InstalledCommand) -> None:
    wrong = {
        "": "A key has 1 to 1,024 bytes of UTF-8",
        "a/dropreel.json": "holds the options of a folder, not of one image. Delete it in its bucket.",
        f"s3://{account.videos}/a.mp4": f"Allowed: s3://{account.uploads}/KEY or s3://{EXISTING_BUCKET}/test-KEY.",
    }
    for name, why in wrong.items():
        done = dropreel.call("forget", name, "--yes", "--local")
        assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    done = dropreel.run("forget", "no such key", "--yes", "--local")
    assert done.returncode == 1
    assert "There is no object and no job with the key" in done.stderr
    assert "`dropreel jobs`" in done.stderr
