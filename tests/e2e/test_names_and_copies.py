"""Option files, file names of different systems, and copies, through the whole local cloud."""

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
"""Longer than the local delay and the processing of an upload's event."""


def mac(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def windows(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def prompts(account: Account, key: str) -> list[str]:
    return [submission["request"]["prompt"] for submission in account.submitted(key)]


def request(account: Account, key: str, options: dict[str, str]) -> None:
    """Request a video of an existing image, always with the same request id."""
    detail = {"image": {"bucket": account.uploads, "key": key}, "options": options, "request_id": "order-4711"}
    entry = {"Source": "my.shop", "DetailType": "Video Generation Requested", "Detail": json.dumps(detail)}
    account.aws("events", "put-events", "--entries", json.dumps([entry]))


def test_option_files_of_a_recursive_copy_count_in_any_order(account: Account, tmp_path: Path) -> None:
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


def test_a_sidecar_uploaded_after_its_image_counts(account: Account) -> None:
    key = account.new_key()
    with settling(account, seconds=6):
        account.put(key)
        time.sleep(2)  # much longer than a warm function takes to read an image's options
        account.put(f"{key}.json", b'{"prompt": "a storm comes up"}')

        account.ended(key)

    assert prompts(account, key) == ["a storm comes up"]


@contextmanager
def settling(account: Account, seconds: int) -> Iterator[None]:
    """Delay uploads' events as UploadSettleSeconds does, and restore the local delay at the end."""
    sqs, url = account.client("sqs"), account.stack.outputs["QueueUrl"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"]
    assert before == "1"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": str(seconds)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": before})


def test_option_files_are_found_in_any_unicode_form_and_case(account: Account) -> None:
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


def test_files_of_desktops_and_option_files_have_no_job(account: Account) -> None:
    folder = account.new_key("").rstrip("/")
    litter = [f"{folder}/{name}" for name in (".DS_Store", "._a.jpg", "Thumbs.db", "desktop.ini", "a.jpg.JSON")]
    for key in litter:
        account.put(key, b"{}")
    account.put(f"{folder}/last.jpg")

    account.ended(f"{folder}/last.jpg")

    assert [job for key in litter for job in account.jobs_of(key)] == []


def test_an_image_copied_onto_itself_is_paid_once(account: Account) -> None:
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


def test_a_file_system_that_copies_right_after_its_upload_is_paid_once(account: Account) -> None:
    """s3fs uploads, then copies to set the file's times and mode."""
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


def test_a_request_id_reused_with_other_options_is_rejected(account: Account) -> None:
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
