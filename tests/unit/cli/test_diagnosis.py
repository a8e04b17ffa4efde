"""What the checks of `dropreel doctor` say, and how their faults become findings."""

import struct
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from PIL import Image

from dropreel.domain.job import JobStatus
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.command_line import StackOptions
from dropreel_cli.commands import resume
from dropreel_cli.diagnosis import CHECKS, access, jobs, wiring
from dropreel_cli.diagnosis.check import Check, Finding, Site, Status
from dropreel_cli.diagnosis.end_to_end import png, refuse_unless_free
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.stack import Stack
from tests.support.sample_jobs import job_with


class FakeStack(Stack):
    """A stack whose clients answer each operation with a fixed answer."""

    answers: dict[str, Any]

    def client(self, service: str) -> Any:
        fake: Any = type(service, (), {})()
        for name, answer in self.answers.items():
            setattr(fake, name, lambda answer=answer, **_: answer)
        return fake


def _site(answers: dict[str, Any] | None = None, **fields: Any) -> Site:
    settled = {"status": "CREATE_COMPLETE", **fields}
    stack = FakeStack("shop", settled.pop("outputs", {}), boto3.Session(region_name="eu-central-1"), **settled)
    object.__setattr__(stack, "answers", answers or {})
    return Site(stack, StackOptions(stack="shop"))


def _denied(code: str = "AccessDeniedException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no lambda for you"}}, "GetFunction")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (_denied(), Status.SKIPPED, "are not allowed to do this: no lambda for you"),
        (_denied("403"), Status.SKIPPED, "403"),
        (EndpointConnectionError(endpoint_url="https://lambda"), Status.FAILED, "Could not connect"),
        (CommandError("There is no resource X."), Status.FAILED, "There is no resource X."),
    ],
)
def test_a_check_that_meets_an_error_says_so(error: Exception, status: Status, said: str) -> None:
    def look(_: Site) -> Finding:
        raise error

    found = Check("functions", look).run(_site())

    assert found.status is status
    assert said in found.message
    assert found.next_step


def test_the_checks_have_names_of_their_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("minutes", "status"), [(1, Status.OK), (6, Status.FAILED), (-6, Status.FAILED)])
def test_a_clock_more_than_5_minutes_away_is_red(minutes: int, status: Status) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    answer = {"Arn": "x", "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    assert access.clock(_site({"get_caller_identity": answer})).status is status


def test_failed_jobs_with_a_paid_video_get_a_command_that_exists() -> None:
    site = _site()
    site.__dict__["last_jobs"] = [
        job_with(status=JobStatus.FAILED, generation_id="gen_1", reason=Reason(code, "the words"))
        for code in (ReasonCode.TIMED_OUT, ReasonCode.GENERATION_FAILED)
    ]

    found = jobs.resumable(site)

    assert found.message.startswith("1 of the last 7 days")
    assert found.next_step.startswith("dropreel resume --all --stack shop: ")
    assert resume.command.make_context("resume", ["--all", "--stack", "shop"]).params["is_all"]


def test_missing_outputs_are_named() -> None:
    found = wiring.outputs(_site(outputs={name: "x" for name in wiring.OUTPUTS if name != "QueueUrl"}))

    assert found == Finding(Status.FAILED, "Missing: QueueUrl.", "Deploy this release: dropreel deploy --stack shop")


@pytest.mark.parametrize(
    ("quota", "concurrency", "status", "step"),
    [
        (1000, "5", Status.OK, None),
        (10, "5", Status.FAILED, "dropreel set SubmitConcurrency=2 --stack shop, or ask AWS"),
        (1000, "900", Status.FAILED, "dropreel set SubmitConcurrency=497 --stack shop, or ask AWS"),
    ],
)
def test_the_quota_is_compared_with_what_the_stack_may_use(
    quota: int, concurrency: str, status: Status, step: str | None
) -> None:
    settings = {"AccountLimit": {"ConcurrentExecutions": quota}}

    found = wiring.lambda_quota(
        _site({"get_account_settings": settings}, parameters={"SubmitConcurrency": concurrency})
    )

    assert found.status is status
    assert (found.next_step or "").startswith(step or "")


@pytest.mark.parametrize(
    ("limit", "cents", "status"),
    [
        ("unlimited", 99_999, Status.OK),
        ("50", 100, Status.OK),
        ("50", 4_960, Status.FAILED),
        ("0", 0, Status.FAILED),
    ],
)
def test_charges_are_red_where_no_video_fits_any_more(limit: str, cents: int, status: Status) -> None:
    item = {"Item": {"reserved_cents": {"N": str(cents)}}}
    names = {"JobsTableName": "jobs", "SpendTableName": "spend"}

    found = jobs.charges(_site({"get_item": item}, outputs=names, parameters={"DailySpendLimitUsd": limit}))

    assert found.status is status


@pytest.mark.parametrize("parameters", [{"Rehearsal": "false"}, {}])
def test_an_end_to_end_check_that_would_be_paid_is_refused_with_its_price(parameters: dict[str, str]) -> None:
    site = _site(parameters={"DefaultMode": "hq", "DefaultDuration": "10", **parameters})

    with pytest.raises(CommandError, match=r"would pay for a video in shop: \$1\.87") as refused:
        refuse_unless_free(site)

    assert refused.value.exit_status is Exit.REFUSED


def test_an_end_to_end_check_is_free_in_a_rehearsal_and_locally() -> None:
    refuse_unless_free(_site(parameters={"Rehearsal": "true"}))
    refuse_unless_free(_site(endpoint_url="http://127.0.0.1:4566"))


def test_the_picture_is_a_png_that_decodes() -> None:
    content = png()

    with Image.open(BytesIO(content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert content.endswith(struct.pack(">I", zlib.crc32(b"IEND")))
