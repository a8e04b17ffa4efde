"""What the commands print for AWS's errors, and their exit status: plain sentences, never a traceback.

They are called as subcommands of `dropreel`, and `drop` as `make drop` calls it.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

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

from dropreel.domain.job import Job
from dropreel_cli import app, make_arguments
from dropreel_cli.aws_errors import explain
from dropreel_cli.checkout import PREPARED_VARIABLE
from dropreel_cli.exits import Exit
from dropreel_cli.following import Following
from dropreel_cli.stack import Stack
from dropreel_cli.submissions import Submissions
from tests.support.drop_stack import drop_stack
from tests.unit.cli.conftest import Cloud, described

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "local" / "sample.jpg"


def set_command(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Set the command line and the environment of a command that finds nothing wrong with them."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["dropreel", command])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("IMAGE", str(SAMPLE))
    monkeypatch.setenv(PREPARED_VARIABLE, str(ROOT))


def run(command: str) -> int:
    """Run a command as make does; return the exit status."""
    return make_arguments.main() if command == "drop" else app.main()


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
        (
            EndpointConnectionError(endpoint_url="https://x.invalid"),
            '.invalid". Check the region and your network connection.',
        ),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_an_error_of_aws_is_a_plain_sentence(
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

    assert run(command) == Exit.UNREACHABLE

    captured = capsys.readouterr()
    printed = captured.out + captured.err
    assert sentence in printed
    assert explain(error) in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("deploy", "Stopped. Nothing was changed."),
        ("remove", "Stopped. Nothing was removed."),
        ("drop", "Stopped. Nothing was uploaded."),
    ],
)
def test_ctrl_c_is_a_plain_sentence_and_status_130(
    command: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Stack:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stack, "find", stop)
    set_command(monkeypatch, command)

    assert run(command) == 130
    printed = capsys.readouterr()
    assert sentence in printed.out + printed.err


def test_ctrl_c_while_sam_deploys_says_that_the_change_continues(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    set_command(monkeypatch, "deploy")
    monkeypatch.setattr("dropreel_cli.deploy.subprocess.run", stop)
    monkeypatch.setenv("NOHUMAN_API_KEY", "k")
    cloud.add_no_stack()
    cloud.add_error("list_change_sets", "ValidationError")

    assert run("deploy") == 130
    assert "Stopped. A change that CloudFormation has started continues." in capsys.readouterr().err


def test_ctrl_c_while_a_stack_is_deleted_says_that_it_continues(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    set_command(monkeypatch, "remove")
    monkeypatch.setattr(sys, "argv", ["dropreel", "remove", "--yes"])
    monkeypatch.setattr("dropreel_cli.remove._delete", stop)
    cloud.add_answer("describe_stacks", described("CREATE_COMPLETE"))
    cloud.add_answer("list_stack_resources", {"StackResourceSummaries": []})

    assert run("remove") == 130
    assert "Stopped. A deletion that CloudFormation has started continues." in capsys.readouterr().err


def test_a_drop_into_an_incomplete_stack_is_status_3(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dropreel_cli.connection.session_of", lambda _: cloud.session)
    set_command(monkeypatch, "drop")
    cloud.add_answer("describe_stacks", described("ROLLBACK_COMPLETE"))

    assert run("drop") == Exit.UNREACHABLE
    printed = capsys.readouterr().err
    assert "The stack shop is ROLLBACK_COMPLETE: its creation did not complete. Run dropreel deploy" in printed


def test_ctrl_c_after_the_upload_says_that_it_is_charged_and_what_continues(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> Iterator[Job]:
        raise KeyboardInterrupt

    set_command(monkeypatch, "drop")
    monkeypatch.setattr(Submissions, "of", lambda _: Mock(is_paused=False))
    monkeypatch.setattr(Following, "changes", stop)
    with drop_stack() as stack:
        monkeypatch.setattr("dropreel_cli.connection.connect", lambda _: stack)

        assert run("drop") == 130

    printed = capsys.readouterr().err
    assert "Stopped. 1 image uploaded: they become videos and are charged, with or without this command." in printed
    assert "uploads nothing twice" in printed


@pytest.mark.parametrize("command", ["deploy", "remove", "drop"])
def test_an_invalid_stack_name_is_status_2(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_command(monkeypatch, command)
    monkeypatch.setenv("STACK", "my stack")

    assert run(command) == 2
    printed = capsys.readouterr()
    expected = "The stack name is 'my stack'; a stack name has only letters, digits and hyphens"
    assert expected in printed.out + printed.err
