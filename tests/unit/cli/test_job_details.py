"""`dropreel show` on tables in moto: how a job is found, and what of its story is printed."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.session import Session

from dropreel.domain.forgetting import forgotten
from dropreel.domain.job import Charge, EventType, Job, JobStatus, PollFaultNote
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel_cli.console_links import ConsoleLinks
from dropreel_cli.job_details import links_of
from dropreel_cli.stack import Stack
from tests.support.command_documents import validate_document
from tests.support.command_stack import MACHINE, CommandStack, command_stack, run
from tests.support.sample_jobs import IMAGE, PREPARED, VIDEO, job_with

NOW = datetime.now(UTC)
CONSOLE = "https://us-east-1.console.aws.amazon.com"
ID = "0123456789abcdef01234567"
EXECUTION = f"{MACHINE.replace('stateMachine', 'execution')}:{ID}-2-1"
SIGNED = "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00ff00ff00ff00ff"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    with command_stack(monkeypatch) as made:
        yield made


def job(job_id: str = ID, **changes: Any) -> Job:
    times = {"created_at": NOW - timedelta(minutes=6), "submitted_at": NOW - timedelta(minutes=5), "updated_at": NOW}
    return job_with(**{"job_id": job_id, "status": JobStatus.COMPLETED, **times, **changes})


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run("show", *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    validate_document(document, "show")
    return document


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run("show", *arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "named",
    [
        ID,
        ID.upper(),
        ID[:8],
        ID[:15].upper(),
        "gen-1/x",
        IMAGE.key,
        "s3://uploads/holiday/beach.jpg",
        "s3://videos/holiday/beach-gen-1_x.mp4",
        "s3://videos/holiday/beach-gen-1.json",
    ],
)
def test_a_job_is_found_by_each_of_its_names(
    named: str, stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    video = named.partition("s3://videos/")[2] or VIDEO.key
    made = job(generation_id="gen-1", video=VIDEO._replace(key=video.replace(".json", ".mp4"), receipt_key=video))
    stack.put(made, job("f" * 24, image=IMAGE._replace(key="other.jpg")))
    for generation_id in ("gen-1/x", "gen-1", "gen-1_x"):
        stack.put_submission(made, NOW, generation_id=generation_id)

    assert shown(capsys, named)["job"]["job_id"] == ID


def test_a_key_shows_its_newest_job_in_full_and_lists_the_others(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [job(f"{number:024x}", created_at=NOW - timedelta(days=number)) for number in range(1, 15)]
    elsewhere = job("e" * 24, created_at=NOW - timedelta(days=99), image=IMAGE._replace(bucket="existing"))
    stack.put(job(), *others, elsewhere)

    document = shown(capsys, IMAGE.key)
    assert document["job"]["job_id"] == ID
    assert [each["job_id"] for each in document["other_jobs"]] == [each.job_id for each in (*others, elsewhere)]
    assert shown(capsys, "s3://existing/holiday/beach.jpg")["job"]["job_id"] == elsewhere.job_id

    text = printed(capsys, IMAGE.key)
    assert "Other jobs of this image (15)" in text
    assert text.count("holiday/beach.jpg") == 1 + 1 + 10


@pytest.mark.parametrize("named", ["caf\u00e9.jpg", "cafe\u0301.jpg"])
@pytest.mark.parametrize("stored", ["caf\u00e9.jpg", "cafe\u0301.jpg"])
def test_a_key_is_found_in_either_spelling(
    named: str, stored: str, stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(job(image=IMAGE._replace(key=stored)))

    assert shown(capsys, named)["job"]["image"]["key"] == stored


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nothing.jpg"], 1, "There is no job, generation or image with the name nothing.jpg."),
        (["\x1b[31mred"], 1, r"with the name \x1b[31mred."),
        (["x" * 5000], 1, "There is no job, generation or image with the name xxx"),
        (["f" * 24], 1, "There is no job, generation or image with the name fff"),
        (["ffffffff"], 1, "Look further back with --since, or name the whole id (24 digits)."),
        (["abcdef00"], 2, "2 jobs begin with abcdef00: abcdef00"),
        (["0123abc"], 1, "There is no job, generation or image"),
        (["s3://uploads"], 1, "There is no job, generation or image"),
        ([" "], 2, "Name a job, a generation or an image."),
        ([], 2, "Missing argument"),
    ],
)
def test_a_name_that_names_no_job_says_what_would(
    arguments: list[str], status: int, message: str, stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.put(*(job(f"abcdef00{number:016x}") for number in range(2)))
    stack.put(job("f" * 24, created_at=NOW - timedelta(days=30)))
    stack.dynamodb.delete_item(TableName="jobs", Key={"job_id": {"S": "f" * 24}, "row": {"S": "job"}})

    assert run("show", *arguments) == status

    assert message in capsys.readouterr().err


def test_the_whole_story_of_a_delivered_job_is_printed(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    fault = PollFaultNote(f"the connection to {SIGNED} was cut", NOW - timedelta(minutes=2))
    made = job(
        attempt=2, charge=Charge.CHARGED, video=VIDEO, polls=61, poll_faults=2, last_fault=fault, resumes=1,
        image=IMAGE._replace(format="HEIC", prepared=PREPARED), warnings=("the image is small",),
        option_sources={"prompt": "holiday/dropreel.json"}, pending_events=frozenset({EventType.COMPLETED}),
    )  # fmt: skip
    stack.put(made)
    busy, failed = Reason(ReasonCode.PROVIDER_BUSY, "429"), Reason(ReasonCode.GENERATION_FAILED, "no", (), "it was no")
    start = datetime(2026, 5, 4, 23, 59, tzinfo=UTC)
    stack.put_submission(made, start, Charge.NONE, status=JobStatus.DEFERRED, reason=busy)
    stack.put_submission(made, start, requeues=1, status=JobStatus.FAILED, generation_id="gen_0", reason=failed)
    stack.put_submission(made, start + timedelta(minutes=5), attempt=2, generation_id="gen_1")

    text = re.sub(" {2,}", "  ", printed(capsys, ID))

    for line in (
        f"{ID} completed",
        "  object  s3://uploads/holiday/beach.jpg",
        "  version  v1",
        "  is  HEIC, 1600 x 900, 1,234 bytes",
        "  prepared  JPEG, 1600 x 900, 1,000 bytes",
        "  because  the provider does not take its format; its color profile is not sRGB",
        "  prompt  a slow push in  from holiday/dropreel.json",
        "  negative_prompt  (empty)",
        "  sound  true  from unknown",
        "  delivered  5 min 0 s after the submission, 61 polls, 2 without a usable answer",
        "  resumed  once",
        "  to publish  Video Generation Completed",
        "  attempt 1  2026-05-04 23:59:00 UTC, reserved on 2026-05-04: $0.47 not charged, released; deferred",
        "  provider_busy: 429",
        "  attempt 1  2026-05-04 23:59:00 UTC, after requeue 1, reserved on 2026-05-04: $0.47 charged; failed",
        "  generation gen_0",
        "  provider: it was no",
        "  attempt 2  2026-05-05 00:04:00 UTC, reserved on 2026-05-05: $0.47 charged; completed",
        "  in all  $0.94 charged",
        "  is  5.04 s, 640 x 360, 99 bytes",
        "  the image is small",
        f"  execution  {CONSOLE}/states/home?region=us-east-1#/v2/executions/details/{EXECUTION}",
        "  aws s3 cp s3://videos/holiday/beach-gen_1.mp4 .  # downloads the video",
    ):
        assert line in text
    assert "last fault" in text
    document = shown(capsys, ID)
    assert document["charged_usd"] == 0.94
    assert document["timings"]["since_submission_seconds"] == 300
    assert "Amz" not in text + json.dumps(document)
    assert "00ff00ff" not in text + json.dumps(document)


@pytest.mark.parametrize(
    ("status", "code", "changes", "commands"),
    [
        (JobStatus.FAILED, ReasonCode.TIMED_OUT, {}, ["dropreel resume {id}"]),
        (JobStatus.FAILED, ReasonCode.GENERATION_FAILED, {}, ["dropreel drop beach.jpg --to holiday"]),
        (
            JobStatus.UNKNOWN,
            ReasonCode.SUBMISSION_UNKNOWN,
            {"generation_id": None, "submitted_at": None, "charge": Charge.UNKNOWN},
            ["dropreel adopt {id} GENERATION_ID", "dropreel resubmit {id}", "dropreel abandon {id}"],
        ),
        (JobStatus.DEFERRED, ReasonCode.DEAD_LETTER, {"generation_id": None}, ["dropreel redrive {id}"]),
        (JobStatus.DEFERRED, ReasonCode.PROVIDER_BUSY, {"generation_id": None, "retry_at": NOW}, []),
        (JobStatus.PREPARING, ReasonCode.DEAD_LETTER, {"generation_id": None}, ["dropreel redrive {id}"]),
        (JobStatus.HELD, ReasonCode.DAILY_LIMIT, {"generation_id": None}, ["dropreel set DailySpendLimitUsd=USD"]),
        (
            JobStatus.REJECTED,
            ReasonCode.IMAGE_FORMAT,
            {"generation_id": None, "options": None, "cost_cents": 0, "image": IMAGE._replace(key="a b/-c.jpg")},
            ["dropreel drop ./-c.jpg --to 'a b'"],
        ),
        (
            JobStatus.REJECTED,
            ReasonCode.IMAGE_SUPERSEDED,
            {"generation_id": None, "options": None, "cost_cents": 0},
            [],
        ),
        (JobStatus.FAILED, ReasonCode.GENERATION_FAILED, {"image": IMAGE._replace(key="a\x1b.jpg")}, []),
        (JobStatus.FAILED, ReasonCode.GENERATION_FAILED, {"request_id": "r-1"}, []),
        (JobStatus.SUBMITTING, None, {"generation_id": None, "submitted_at": None}, []),
        (JobStatus.GENERATING, None, {}, []),
    ],
)
def test_each_status_has_its_reason_and_its_next_commands(
    status: JobStatus,
    code: ReasonCode | None,
    changes: dict[str, Any],
    commands: list[str],
    stack: CommandStack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack.put(job(status=status, reason=None if code is None else Reason(code, "the words"), **changes))

    document = shown(capsys, ID, "--region", "eu-west-1")

    expected = [command.format(id=ID) + " --region eu-west-1" for command in commands]
    assert [each["command"] for each in document["next_commands"]] == expected
    text = printed(capsys, ID, "--region", "eu-west-1")
    assert text.startswith(f"{ID} {status}" + (f": the words ({code})" if code else ""))
    assert all(command in text for command in expected)


def test_no_text_of_a_job_breaks_the_terminal(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[2J\u202e[red]\r\n"
    made = job(
        image=IMAGE._replace(key=bad), video=VIDEO._replace(key=bad), warnings=(bad,), generation_id=bad,
        status=JobStatus.FAILED, reason=Reason(ReasonCode.GENERATION_FAILED, bad), provider_status=bad,
    )  # fmt: skip
    stack.put(made)
    stack.put_submission(made, NOW, generation_id=bad, reason=Reason(ReasonCode.GENERATION_FAILED, bad, (), bad))

    lines = printed(capsys, bad).split("\n")

    assert all(line.isprintable() for line in lines)
    assert r"s3://uploads/\x1b[2J\u202e[red]\r\n" in "".join(lines)


def test_the_consoles_addresses_are_those_of_the_stacks_partition() -> None:
    china = ConsoleLinks.of("arn:aws-cn:states:cn-north-1:1:stateMachine:x")
    assert china.s3_object("b", "a b/+é?.jpg", "v/1") == (
        "https://cn-north-1.console.amazonaws.cn/s3/object/b?region=cn-north-1&prefix=a%20b/%2B%C3%A9%3F.jpg&versionId=v%2F1"
    )
    usa = ConsoleLinks.of("arn:aws-us-gov:states:us-gov-west-1:1:stateMachine:x")
    assert usa.item("jobs", ID).startswith("https://us-gov-west-1.console.amazonaws-us-gov.com/dynamodbv2/home?")
    logs = ConsoleLinks("aws", "eu-west-1").logs(["/aws/one", "two"], ID, NOW, NOW)
    assert "#logsV2:logs-insights$3FqueryDetail$3D~(end~'" in logs
    assert logs.endswith("~source~(~'*2faws*2fone~'two))")
    assert f"like*20*27{ID}*27" in logs


def test_a_forgotten_job_has_no_link_to_what_is_deleted(
    stack: CommandStack, capsys: pytest.CaptureFixture[str]
) -> None:
    made = forgotten(job(video=VIDEO, charge=Charge.CHARGED))
    stack.put(made)
    local = Stack("shop", {"StateMachineArn": MACHINE}, Session(), "http://127.0.0.1:4566")

    text = printed(capsys, ID)

    assert {"image", "video"}.isdisjoint(shown(capsys, ID)["links"])
    assert list(links_of(local, made)) == ["execution"]
    assert f"s3://uploads/{IMAGE.key} (forgotten: all its versions are deleted)" in text
    assert f"s3://videos/{VIDEO.key} (forgotten: all its versions are deleted)" in text


def test_the_money_of_a_rehearsal_is_called_so(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    made = job(rehearsal=True, charge=Charge.CHARGED, generation_id="rehearsal_1")
    stack.put(made)
    claimed = datetime(2026, 5, 4, 12, tzinfo=UTC)
    stack.put_submission(made, claimed, generation_id="rehearsal_1")

    text = printed(capsys, ID)

    assert "reserved on rehearsal-2026-05-04: $0.47 of rehearsal money charged" in text
    assert "$0.47 of rehearsal money charged\n" in text
    assert shown(capsys, ID)["submissions"][0]["day"] == "2026-05-04"
