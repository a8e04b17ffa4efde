"""Files that come with an image, names as systems write them, and copies, through the whole local cloud."""

import json
import shutil
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dropreel.domain.job import JobStatus
from tests.e2e.conftest import SAMPLE, Account

SETTLED_SECONDS = 6
"""Longer than an event waits locally and takes to be worked on."""


def mac(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def windows(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def prompts(account: Account, key: str) -> list[str]:
    return [submission["request"]["prompt"] for submission in account.submitted(key)]


def request(account: Account, key: str, options: dict[str, str]) -> None:
    """Ask for a video of an image that is there, always under the same id."""
    detail = {"image": {"bucket": account.uploads, "key": key}, "options": options, "request_id": "order-4711"}
    entry = {"Source": "my.shop", "DetailType": "Video Generation Requested", "Detail": json.dumps(detail)}
    account.aws("events", "put-events", "--entries", json.dumps([entry]))


def test_the_files_of_a_recursive_copy_count_whichever_comes_first(account: Account, tmp_path: Path) -> None:
    folder = account.new_key("").rstrip("/")
    names = [f"{number:02d}.jpg" for number in range(6)]
    for name in names:
        shutil.copy(SAMPLE, tmp_path / name)
        (tmp_path / f"{name}.json").write_text(json.dumps({"prompt": f"pan over {name}"}))
    (tmp_path / "dropreel.json").write_text('{"sound": false}')

    account.aws("s3", "cp", "--recursive", "--quiet", str(tmp_path), f"s3://{account.uploads}/{folder}")

    for name in names:
        job = account.ended(f"{folder}/{name}")
        assert job.options is not None
        assert (job.options.prompt, job.options.sound) == (f"pan over {name}", False)


def test_a_sidecar_that_is_uploaded_after_its_image_counts(account: Account) -> None:
    key = account.new_key()
    with settling(account, seconds=6):
        account.put(key)
        time.sleep(2)  # much longer than a warm function takes to read an image's options
        account.put(f"{key}.json", b'{"prompt": "a storm comes up"}')

        account.ended(key)

    assert prompts(account, key) == ["a storm comes up"]


@contextmanager
def settling(account: Account, seconds: int) -> Iterator[None]:
    """Let uploads wait so long, as UploadSettleSeconds does, and then as long as locally."""
    sqs, url = account.client("sqs"), account.stack.outputs["QueueUrl"]
    was = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]
    assert was == "1"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": str(seconds)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": was})


def test_files_count_in_whatever_form_and_case_another_system_writes_their_names(account: Account) -> None:
    folder = account.new_key("Fête à Köln").rstrip("/")
    names = ["Büro.jpg", "がぎ.jpg", "Việt Nam+1.jpg"]
    account.put(f"{windows(folder)}/dropreel.JSON", b'{"sound": false}')
    for name in names:
        account.put(f"{windows(folder)}/{windows(name)}.JSON", json.dumps({"prompt": f"pan over {name}"}).encode())
        account.put(f"{mac(folder)}/{mac(name)}")

    for name in names:
        job = account.ended(f"{mac(folder)}/{mac(name)}")
        assert job.options is not None
        assert (job.options.prompt, job.options.sound) == (f"pan over {name}", False)
        assert job.option_sources["sound"] == f"{windows(folder)}/dropreel.JSON"


def test_what_desktops_leave_has_no_job_and_no_event(account: Account) -> None:
    folder = account.new_key("").rstrip("/")
    litter = [f"{folder}/{name}" for name in (".DS_Store", "._a.jpg", "Thumbs.db", "desktop.ini", "a.jpg.JSON")]
    for key in litter:
        account.put(key, b"{}")
    account.put(f"{folder}/last.jpg")

    account.ended(f"{folder}/last.jpg")

    assert [job for key in litter for job in account.jobs_of(key)] == []


def test_a_picture_that_is_copied_onto_itself_is_paid_once(account: Account) -> None:
    key = account.new_key("copied/größer.jpg")
    place = f"s3://{account.uploads}/{key}"
    account.put(key, metadata={"prompt": "waves"})
    job = account.ended(key)

    account.aws("s3", "cp", "--quiet", place, place, "--storage-class", "STANDARD_IA")
    account.aws(
        *("s3", "cp", "--quiet", place, place, "--metadata-directive", "REPLACE"),
        *("--metadata", "prompt=waves,mode=33188,uid=1000"),
    )
    time.sleep(SETTLED_SECONDS)

    assert [one.job_id for one in account.jobs_of(key)] == [job.job_id]
    assert prompts(account, key) == ["waves"]


def test_a_file_system_that_writes_and_copies_at_once_is_paid_once(account: Account) -> None:
    """As s3fs does: the upload, then a copy for its times and its owner."""
    key = account.new_key()
    account.put(key, metadata={"mode": "33188"})
    s3 = account.client("s3")
    for mtime in ("1762905600", "1762905601"):
        s3.copy_object(
            Bucket=account.uploads,
            Key=key,
            CopySource={"Bucket": account.uploads, "Key": key},
            MetadataDirective="REPLACE",
            Metadata={"mode": "33188", "mtime": mtime},
        )

    job = account.ended(key)
    time.sleep(SETTLED_SECONDS)

    assert job.status is JobStatus.COMPLETED
    assert len(account.jobs_of(key)) == len(account.submitted(key)) == 1


def test_a_copy_to_another_key_and_one_with_another_prompt_are_new_jobs(account: Account) -> None:
    key, elsewhere = account.new_key(), account.new_key()
    account.put(key)
    first = account.ended(key)

    account.aws("s3", "cp", "--quiet", f"s3://{account.uploads}/{key}", f"s3://{account.uploads}/{elsewhere}")
    account.aws(
        *("s3", "cp", "--quiet", f"s3://{account.uploads}/{key}", f"s3://{account.uploads}/{key}"),
        *("--metadata-directive", "REPLACE", "--metadata", "prompt=waves"),
    )

    assert account.ended(elsewhere).status is JobStatus.COMPLETED
    second = account.job_when(key, lambda job: job.job_id != first.job_id and job.is_terminal)
    assert second.status is JobStatus.COMPLETED, second
    assert second.options is not None
    assert second.options.prompt == "waves"


def test_a_request_id_that_is_used_for_something_else_is_told(account: Account) -> None:
    key = account.new_key()
    account.put(key)
    account.ended(key)

    request(account, key, {"mode": "hq"})
    first = account.job_when(key, lambda job: job.request_id == "order-4711" and job.is_terminal)
    request(account, key, {"mode": "fast"})

    data = account.tail.wait_for(key, "Video Generation Rejected")["detail"]["data"]
    assert (data["reason"]["code"], data["request_id"]) == ("request_id_reused", "order-4711")
    assert first.job_id in data["reason"]["message"]
    assert [one["request"]["mode"] for one in account.submitted(key)] == ["fast", "hq"]
