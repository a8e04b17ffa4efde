"""`make run IMAGE=folder/`: images, option files and ignored files of a folder."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cli.stack import Stack
from dropreel.domain.images import ImageRef
from dropreel.domain.job import JobStatus, job_id_of
from local.folder import follow_all, read_folder
from tests.support.rows import job_row
from tests.support.sample_jobs import job_with


def _folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_images_and_option_files_are_found_in_subfolders_too(tmp_path: Path) -> None:
    root = _folder(tmp_path, "b.jpg", "b.jpg.json", "dropreel.json", "sub/deep/a b+ü.png", "sub/dropreel.json")

    folder = read_folder(root)

    assert folder.images == ("b.jpg", "sub/deep/a b+ü.png")
    assert folder.option_files == ("b.jpg.json", "dropreel.json", "sub/dropreel.json")


def test_a_file_with_another_ending_is_left_to_the_stack(tmp_path: Path) -> None:
    """The stack validates bytes: a text file is dropped like any other, and rejected."""
    assert read_folder(_folder(tmp_path, "notes.txt")).images == ("notes.txt",)


def test_files_of_desktops_are_skipped(tmp_path: Path) -> None:
    folder = read_folder(_folder(tmp_path, ".DS_Store", "a/._b.jpg", "a/Thumbs.db", "a/b.jpg", "desktop.ini"))

    assert folder.images == ("a/b.jpg",)
    assert folder.skipped == (".DS_Store", "a/._b.jpg", "a/Thumbs.db", "desktop.ini")


def test_an_empty_folder_has_no_image(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert read_folder(tmp_path).images == ()


def test_following_a_folder_reads_the_row_of_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.folder._POLL_SECONDS", 0)
    session = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("dynamodb")
    monkeypatch.setattr(session, "client", lambda *_, **__: client)
    job_id = job_id_of(ImageRef("uploads", "cup.jpg", "v1"))
    key = {"job_id": {"S": job_id}, "row": {"S": "job"}}
    generating, ended = (
        job_row(job_with(job_id=job_id, status=status)) for status in (JobStatus.GENERATING, JobStatus.REJECTED)
    )
    request = {"Keys": [key], "ConsistentRead": True, "ProjectionExpression": ANY, "ExpressionAttributeNames": ANY}
    answers: list[dict[str, Any]] = [{}, {"jobs": [generating]}, {"jobs": [ended]}]
    with Stubber(client) as stubber:
        for answer in answers:
            stubber.add_response("batch_get_item", {"Responses": answer}, {"RequestItems": {"jobs": request}})
        stubber.add_response("get_item", {"Item": ended}, {"TableName": "jobs", "Key": key, "ConsistentRead": True})

        jobs = list(
            follow_all(Stack("shop", {"JobsTableName": "jobs"}, session), [ImageRef("uploads", "cup.jpg", "v1")])
        )

        stubber.assert_no_pending_responses()
    assert [(job.job_id, job.status) for job in jobs] == [(job_id, JobStatus.REJECTED)]
