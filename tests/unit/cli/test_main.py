"""What the commands print for AWS's errors, and their exit status: plain sentences, never a traceback."""

import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)
from botocore.stub import Stubber

from cli import __main__ as cli
from cli.aws_errors import explain
from cli.drop import follow
from cli.stack import Stack
from dropreel.domain.images import ImageRef
from dropreel.domain.job import Job, JobStatus, job_id_of
from tests.support.rows import job_row
from tests.support.sample_jobs import job_with
from tests.unit.cli.conftest import Cloud, described

SAMPLE = Path(__file__).resolve().parents[3] / "local" / "sample.jpg"


def set_command(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Set the command line and the environment of a command that finds nothing wrong with them."""
    monkeypatch.setattr(sys, "argv", ["cli", command])
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("IMAGE", str(SAMPLE))


def client_error(code: str, message: str = "a message of AWS") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (client_error("ExpiredToken"), "Your AWS credentials have expired. Renew them"),
        (client_error("InvalidClientTokenId"), "AWS refused your credentials as invalid."),
        (client_error("SignatureDoesNotMatch"), "AWS refused your credentials as invalid."),
        (
            client_error("AccessDenied", "no cloudformation for you"),
            "are not allowed to do this: no cloudformation for you",
        ),
        (client_error("MetadataTooLarge"), "longer than the 2 KB that S3 metadata holds"),
        (client_error("Throttling"), "a message of AWS"),
        (NoRegionError(), "No AWS region is set."),
        (NoCredentialsError(), "No AWS credentials were found."),
        (ProfileNotFound(profile="shop"), "The config profile (shop) could not be found. Check AWS_PROFILE"),
        (UnauthorizedSSOTokenError(), "`aws sso login`"),
        (EndpointConnectionError(endpoint_url="https://x.invalid"), "Check the region and your network connection."),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_an_error_of_aws_is_a_plain_sentence_and_status_1(
    command: str,
    error: ClientError | BotoCoreError,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> Stack:
        raise error

    monkeypatch.setattr(Stack, "find", fail)
    set_command(monkeypatch, command)

    assert cli.main() == 1

    printed = capsys.readouterr()
    assert sentence in printed.out
    assert explain(error) in printed.out
    assert "Traceback" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("deploy", "Stopped. A change that CloudFormation has started continues."),
        ("remove", "Stopped. A deletion that CloudFormation has started continues."),
        ("drop", "Stopped. An image that was uploaded still becomes a video, and is charged."),
    ],
)
def test_ctrl_c_is_a_plain_sentence_and_status_130(
    command: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Stack:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "find", stop)
    set_command(monkeypatch, command)

    assert cli.main() == 130
    assert sentence in capsys.readouterr().out


def test_a_drop_into_an_incomplete_stack_is_status_1(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "session_of", lambda _: cloud.session)
    set_command(monkeypatch, "drop")
    cloud.add_answer("describe_stacks", described("ROLLBACK_COMPLETE"))

    assert cli.main() == 1
    printed = capsys.readouterr().out
    assert "The stack shop is ROLLBACK_COMPLETE: its creation did not complete. Run `make deploy`" in printed


def test_a_drop_whose_job_does_not_end_prints_that_it_continues(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def time_out(*_: object) -> Iterator[Job]:
        raise TimeoutError("sample.jpg: its job has not ended within 3600 seconds")

    monkeypatch.setattr(cli, "session_of", lambda _: cloud.session)
    monkeypatch.setattr(cli, "drop", lambda *_: ImageRef("uploads", "sample.jpg", "v1"))
    monkeypatch.setattr(cli, "follow", time_out)
    set_command(monkeypatch, "drop")
    output = {"OutputKey": "VideosBucketName", "OutputValue": "shop-videos"}
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE", Outputs=[output]))

    assert cli.main() == 1

    printed = capsys.readouterr().out
    assert "sample.jpg: its job has not ended within 3600 seconds. It continues in AWS" in printed
    assert "s3://shop-videos/" in printed
    assert "Do not drop the image again" in printed


def test_a_drop_without_an_image_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cli", "drop"])
    monkeypatch.delenv("IMAGE", raising=False)

    assert cli.main() == 2
    assert "IMAGE is required: make drop IMAGE=my.jpg" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_an_invalid_stack_name_is_status_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cli", command])
    monkeypatch.setenv("STACK", "my stack")

    assert cli.main() == 2
    assert "STACK is 'my stack'; a stack name has only letters, digits and hyphens" in capsys.readouterr().out


def test_following_a_job_reads_one_item_and_never_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Stubber refuses every call but the two scripted ones: before the job exists, and at its end."""
    monkeypatch.setattr("cli.drop.POLL_SECONDS", 0)
    session = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("dynamodb")
    monkeypatch.setattr(session, "client", lambda *_, **__: client)
    monkeypatch.setattr(session, "resource", lambda *_, **__: pytest.fail("it needs no more than one client"))
    job_id = job_id_of(ImageRef("uploads", "cup.jpg", "v1"))
    request = {"TableName": "jobs", "Key": {"job_id": {"S": job_id}, "row": {"S": "job"}}, "ConsistentRead": True}
    with Stubber(client) as stubber:
        stubber.add_response("get_item", {}, request)
        stubber.add_response("get_item", {"Item": job_row(job_with(job_id=job_id, status=JobStatus.REJECTED))}, request)
        stack = Stack("shop", {"JobsTableName": "jobs"}, session)

        jobs = list(follow(stack, ImageRef("uploads", "cup.jpg", "v1"), 60))

        stubber.assert_no_pending_responses()
    assert [job.job_id for job in jobs] == [job_id]
