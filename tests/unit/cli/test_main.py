"""What the commands say of AWS's errors, and which status they end with: plain sentences, never a traceback."""

import sys
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
from cli.drop import Dropped, follow
from cli.stack import Stack
from dropreel.domain.job import ImageRef, JobStatus, job_id_of
from tests.support.rows import job_row
from tests.support.sample_jobs import job_with
from tests.unit.cli.conftest import Cloud, described

SAMPLE = Path(__file__).resolve().parents[3] / "local" / "sample.jpg"


def client_error(code: str, message: str = "said by AWS") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (client_error("ExpiredToken"), "Your AWS credentials have expired. Renew them"),
        (client_error("InvalidClientTokenId"), "AWS does not know your credentials."),
        (client_error("SignatureDoesNotMatch"), "AWS does not know your credentials."),
        (
            client_error("AccessDenied", "no cloudformation for you"),
            "are not allowed to do this: no cloudformation for you",
        ),
        (client_error("MetadataTooLarge"), "longer than the 2 KB that S3 metadata holds"),
        (client_error("Throttling"), "said by AWS"),
        (NoRegionError(), "No AWS region is named."),
        (NoCredentialsError(), "There are no AWS credentials."),
        (ProfileNotFound(profile="shop"), "The config profile (shop) could not be found. Look at AWS_PROFILE"),
        (UnauthorizedSSOTokenError(), "`aws sso login`"),
        (EndpointConnectionError(endpoint_url="https://x.invalid"), "Is the region right, and are you online?"),
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
    monkeypatch.setattr(sys, "argv", ["cli", command])
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("IMAGE", str(SAMPLE))

    assert cli.main() == 1

    said = capsys.readouterr()
    assert sentence in said.out
    assert explain(error) in said.out
    assert "Traceback" not in said.out + said.err


@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_ctrl_c_is_a_plain_sentence_and_status_130(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Stack:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "find", stop)
    monkeypatch.setattr(sys, "argv", ["cli", command])
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("IMAGE", str(SAMPLE))

    assert cli.main() == 130
    assert "Stopped. What AWS has begun already goes on." in capsys.readouterr().out


def test_a_drop_into_half_a_stack_says_so(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "session_of", lambda _: cloud.session)
    monkeypatch.setattr(sys, "argv", ["cli", "drop"])
    monkeypatch.setenv("IMAGE", str(SAMPLE))
    cloud.answers("describe_stacks", described("ROLLBACK_COMPLETE"))

    assert cli.main() == 1
    assert (
        "the stack shop is ROLLBACK_COMPLETE: it was not created to its end; `make deploy`" in capsys.readouterr().out
    )


def test_a_drop_without_an_image_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cli", "drop"])
    monkeypatch.delenv("IMAGE", raising=False)

    assert cli.main() == 2
    assert "Which image?" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_a_name_that_no_stack_can_have_is_status_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cli", command])
    monkeypatch.setenv("STACK", "my stack")

    assert cli.main() == 2
    assert "STACK is 'my stack'; a stack's name has letters, digits and hyphens" in capsys.readouterr().out


def test_following_a_job_reads_that_one_item_and_never_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Stubber refuses every call but the two that are scripted: a look before the job is there, and one at its end."""
    monkeypatch.setattr("cli.drop.LOOK_SECONDS", 0)
    session = boto3.Session("test", "test", region_name="eu-central-1")
    client = session.client("dynamodb")
    monkeypatch.setattr(session, "client", lambda *_, **__: client)
    monkeypatch.setattr(session, "resource", lambda *_, **__: pytest.fail("it needs no more than one client"))
    job_id = job_id_of(ImageRef("uploads", "cup.jpg", "v1"))
    asked = {"TableName": "jobs", "Key": {"job_id": {"S": job_id}, "row": {"S": "job"}}, "ConsistentRead": True}
    with Stubber(client) as stubber:
        stubber.add_response("get_item", {}, asked)
        stubber.add_response("get_item", {"Item": job_row(job_with(job_id=job_id, status=JobStatus.REJECTED))}, asked)
        stack = Stack("shop", {"JobsTableName": "jobs"}, session)

        jobs = list(follow(stack, Dropped("uploads", "cup.jpg", "v1"), 60))

        stubber.assert_no_pending_responses()
    assert [job.job_id for job in jobs] == [job_id]
