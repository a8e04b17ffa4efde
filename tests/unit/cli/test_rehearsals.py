"""What the commands say and do in a stack that rehearses, and at the switch between both."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dropreel.domain.days import day_of
from dropreel.domain.job import JobStatus
from dropreel_cli.command_line import StackOptions
from dropreel_cli.diagnosis import outside
from dropreel_cli.diagnosis.check import Status
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.planning import PlannedImage, Verdict
from dropreel_cli.presence import existing_of
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, with_key, with_key_of_change
from tests.support.command_documents import validate_document
from tests.support.command_stack import CommandStack, command_stack, run
from tests.support.sample_jobs import VIDEO, job_with
from tests.unit.cli.test_diagnosis import _site

KEY = "sk-live-1"
ID = "rehearsal_6927ab12_16x9-5-sound_1"
REHEARSING = {"Rehearsal": "true", "NohumanApiKey": "****"}
REAL = {"Rehearsal": "false", "NohumanApiKey": "****"}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandStack]:
    """A stack that rehearses, with a rehearsal of today and a real submission from before."""
    with command_stack(monkeypatch, Rehearsal="true") as made:
        now = datetime.now(UTC)
        today = day_of(now)
        rehearsed = job_with(
            job_id="a" * 24,
            status=JobStatus.COMPLETED,
            rehearsal=True,
            generation_id=ID,
            video=VIDEO,
            created_at=now,
            updated_at=now,
        )
        real = job_with(job_id="b" * 24, status=JobStatus.COMPLETED, video=VIDEO, created_at=now, updated_at=now)
        made.put(rehearsed, real)
        made.put_submission(rehearsed, now, generation_id=ID)
        made.put_submission(real, now, generation_id="gen_1", cents=94)
        made.reserve(f"rehearsal-{today}", 47)
        made.reserve(today, 94)
        yield made


def document_of(capsys: pytest.CaptureFixture[str], command: str, *arguments: str) -> Any:
    """Call a command; return its document."""
    assert run(command, *arguments, "--json") in (0, 1)
    document = json.loads(capsys.readouterr().out)
    validate_document(document, command)
    return document


@pytest.mark.parametrize("command", [("jobs",), ("spend",), ("watch", "--once")])
def test_each_command_says_that_the_stack_rehearses(
    stack: CommandStack, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert document_of(capsys, *command)["rehearsal"] is True

    run(*command)

    said = capsys.readouterr()
    assert REHEARSAL_NOTICE[:40] in said.out + said.err


@pytest.mark.parametrize("command", [("jobs",), ("spend",), ("watch", "--once")])
def test_a_real_stack_does_not_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    with command_stack(monkeypatch, Rehearsal="false"):
        assert document_of(capsys, *command)["rehearsal"] is False
        run(*command)

    said = capsys.readouterr()
    assert "REHEARSAL" not in said.out + said.err


def test_show_says_which_job_is_a_rehearsal(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    found = {name: document_of(capsys, "show", name * 24)["job"]["rehearsal"] for name in "ab"}
    run("show", "a" * 24)

    assert found == {"a": True, "b": False}
    assert capsys.readouterr().out.startswith(f"REHEARSAL, nothing is paid: {'a' * 24} completed")


def test_jobs_marks_the_rehearsals(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    run("jobs")

    marked = [line for line in capsys.readouterr().out.splitlines() if "rehearsal: s3://" in line]
    assert [line[:8] for line in marked] == ["a" * 8]


def test_spend_and_watch_read_the_days_of_rehearsals(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    spent = document_of(capsys, "spend", "--days", "1")
    board = document_of(capsys, "watch", "--once")

    (day,) = spent["days"]
    assert (day["day"], day["charged_usd"], day["reserved_usd"], day["difference_usd"]) == (
        day_of(datetime.now(UTC)),
        0.47,
        0.47,
        0,
    )
    assert board["reserved_usd"] == 0.47


def test_a_real_stack_reads_the_days_that_were_paid(stack: CommandStack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.stack.parameters["Rehearsal"] = "false"

    (day,) = document_of(capsys, "spend", "--days", "1")["days"]

    assert (day["charged_usd"], day["reserved_usd"]) == (0.94, 0.94)


def test_doctor_asks_no_provider_in_a_rehearsal() -> None:
    found = outside.api_key(_site(parameters={"Rehearsal": "true"}))

    assert (found.status, found.message) == (Status.OK, "rehearsal: no provider, and no key")


@pytest.mark.parametrize(("is_rehearsal", "may_repeat"), [(True, False), (False, True)])
def test_an_image_that_was_rehearsed_may_be_dropped_for_a_real_video(is_rehearsal: bool, may_repeat: bool) -> None:
    planned = PlannedImage("a.jpg", Verdict.PRESENT, "")

    found = existing_of("e1", job_with(rehearsal=True), "a" * 24, planned, is_rehearsal=is_rehearsal)

    assert found.may_repeat is may_repeat


# --- the key ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_stack", [None, REAL, REHEARSING])
def test_a_rehearsal_gets_the_word_in_the_keys_place(in_stack: dict[str, str] | None) -> None:
    given, _ = with_key({"Rehearsal": "true"}, in_stack)

    assert given["NohumanApiKey"] == "rehearsal"


@pytest.mark.parametrize(
    ("given", "in_stack", "said"),
    [
        ({"Rehearsal": "true", "NohumanApiKey": KEY}, None, "A rehearsal takes no API key"),
        ({"NohumanApiKey": KEY}, REHEARSING, "A rehearsal takes no API key"),
        ({"NohumanApiKey": "rehearsal"}, None, "goes with Rehearsal=true alone"),
        ({"NohumanApiKey": "rehearsal"}, REAL, "goes with Rehearsal=true alone"),
        ({"Rehearsal": "false", "NohumanApiKey": "rehearsal"}, REHEARSING, "goes with Rehearsal=true alone"),
    ],
)
def test_a_key_and_a_rehearsal_do_not_go_together(
    given: dict[str, str], in_stack: dict[str, str] | None, said: str
) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        with_key(given, in_stack)

    assert refused.value.exit_status is Exit.USAGE
    assert KEY not in str(refused.value)


def test_the_way_back_asks_for_a_key_since_the_word_is_none() -> None:
    _, kept = with_key({"Rehearsal": "false"}, REHEARSING)

    assert kept == {"Rehearsal": "true"}


def test_a_real_stack_keeps_its_key() -> None:
    assert with_key({"DefaultMode": "hq"}, REAL) == ({"DefaultMode": "hq"}, REAL)


def test_set_begins_a_rehearsal_with_the_word_and_sends_the_way_back_to_deploy(stack: CommandStack) -> None:
    with pytest.raises(
        CommandError, match=r"NOHUMAN_API_KEY=\.\.\. dropreel deploy Rehearsal=false --stack shop"
    ) as refused:
        with_key_of_change({"Rehearsal": "false"}, stack.stack, StackOptions(stack="shop").arguments)
    assert refused.value.exit_status is Exit.USAGE

    stack.stack.parameters["Rehearsal"] = "false"
    assert with_key_of_change({"Rehearsal": "true"}, stack.stack, "") == {
        "Rehearsal": "true",
        "NohumanApiKey": "rehearsal",
    }
    assert with_key_of_change({"Rehearsal": "false"}, stack.stack, "") == {"Rehearsal": "false"}
    assert with_key_of_change({"DefaultMode": "hq"}, stack.stack, "") == {"DefaultMode": "hq"}
