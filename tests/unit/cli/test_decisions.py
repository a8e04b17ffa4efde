"""What the operator's decisions do to jobs, what they cost, and what is left when one fails or is stopped."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.errors import RetryLater
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.prices import DOCUMENTED, PriceTable
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import SpendLimit
from dropreel.provider.poll_answers import InProgress, PollFault
from dropreel.use_cases.settle_unknown import SettleUnknown
from dropreel_cli.command_line import Command
from dropreel_cli.decisions import (
    Batch,
    Planned,
    day_note,
    is_resumable,
    plan_abandon,
    plan_adopt,
    plan_checked_adoption,
    plan_resubmit,
    plan_resume,
    require_resumable,
    total_cents,
)
from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.output import Output
from tests.support.command_documents import validate_document
from tests.support.fake_stack import JOB_ID, FakeStack
from tests.support.sample_jobs import IMAGE, PRICE, job_with

LIMIT = SpendLimit(5000)
TIMED_OUT = Reason(ReasonCode.TIMED_OUT, "x")


def jobs(count: int, **changes: Any) -> list[Job]:
    fields = {"status": JobStatus.FAILED, "reason": TIMED_OUT, **changes}
    return [job_with(job_id=f"{number:024x}", **fields) for number in range(count)]


def unknown_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "job_id": JOB_ID,
        "status": JobStatus.UNKNOWN,
        "charge": Charge.UNKNOWN,
        "generation_id": None,
        "reason": Reason(ReasonCode.SUBMISSION_UNKNOWN, "x"),
    }
    return job_with(**{**fields, **changes})


def batch(planned: list[Planned], *, is_json: bool = False, **changes: Any) -> Batch:
    return Batch(Output(is_json=is_json), "resume", planned, " --local", **changes)


def resumed(job: Job) -> Job:
    return replace(job, status=JobStatus.GENERATING)


def decide(one: Batch, act: Any = resumed, *, dry_run: bool = False, yes: bool = True) -> int:
    return one.run(act, "Resume them?", dry_run=dry_run, yes=yes)


# --- what happens to each ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", JobStatus)
def test_what_is_not_refused_is_what_the_status_allows(status: JobStatus) -> None:
    job = job_with(status=status, reason=TIMED_OUT)

    assert (plan_resume(job).refused is None) == (status in (JobStatus.FAILED, JobStatus.GENERATING))
    for planned in (plan_abandon(job), plan_adopt(job, "gen_2"), plan_resubmit(job, LIMIT, DOCUMENTED)):
        assert (planned.refused is None) == (status is JobStatus.UNKNOWN)


def test_only_a_resubmission_costs() -> None:
    job = unknown_job()

    free = [plan_resume(jobs(1)[0]), plan_adopt(job, "gen_2"), plan_abandon(job)]
    assert [planned.may_cost_cents for planned in free] == [0, 0, 0]
    paid = plan_resubmit(job, LIMIT, DOCUMENTED)
    assert (paid.may_cost_cents, paid.effect) == (PRICE, "is submitted again as attempt 2; MAY PAY TWICE")
    assert total_cents([*free, paid, plan_resubmit(job_with(), LIMIT, DOCUMENTED)]) == PRICE


def test_a_resubmission_costs_the_stacks_price_where_it_has_risen() -> None:
    more = PriceTable.parse("fast-5=0.50 fast-10=1.00 hq-5=1.00 hq-10=2.00")
    less = PriceTable.parse("fast-5=0.40 fast-10=0.90 hq-5=0.90 hq-10=1.80")

    assert [plan_resubmit(unknown_job(), LIMIT, prices).may_cost_cents for prices in (more, less)] == [50, PRICE]
    assert plan_resubmit(unknown_job(), SpendLimit(PRICE), more).refused is not None


def test_what_was_decided_before_is_only_completed() -> None:
    again = [
        plan_adopt(job_with(generation_id="gen_1"), "gen_1"),
        plan_abandon(unknown_job(status=JobStatus.FAILED, reason=Reason(ReasonCode.ABANDONED, "x"))),
        plan_resubmit(unknown_job(status=JobStatus.DEFERRED, attempt=2), LIMIT, DOCUMENTED),
    ]

    assert [planned.refused for planned in again] == [None, None, None]
    assert all("already" in planned.effect for planned in again)


def test_a_resubmission_above_the_whole_limit_is_refused() -> None:
    planned = plan_resubmit(unknown_job(), SpendLimit(PRICE - 1), DOCUMENTED)

    assert planned.refused == (
        "It costs $0.47, more than the whole daily limit of $0.46: raise DailySpendLimitUsd first."
    )


@pytest.mark.parametrize(
    ("limit", "reserved", "note"),
    [
        (None, 1234, "Reserved today (UTC): $12.34; there is no daily limit."),
        (5000, 1234, "Reserved today (UTC): $12.34 of $50.00."),
        (5000, 4950, "Reserved today (UTC): $49.50 of $50.00. 1 of these jobs is held until there is room."),
        (5000, 5000, "Reserved today (UTC): $50.00 of $50.00. 2 of these jobs are held until there is room."),
        (0, 0, "Reserved today (UTC): $0.00 of $0.00. 2 of these jobs are held until there is room."),
    ],
)
def test_the_day_is_shown_against_the_limit(limit: int | None, reserved: int, note: str) -> None:
    planned = [plan_resubmit(unknown_job(), SpendLimit(limit), DOCUMENTED) for _ in range(2)]

    assert day_note(reserved, SpendLimit(limit), planned) == note


def test_an_adoption_is_checked_at_the_provider_without_a_change() -> None:
    stack = FakeStack()
    settle = SettleUnknown(stack.jobs, stack.provider, stack.state_machine, stack.queue, stack.publisher, stack.clock)
    stack.database.put(unknown_job())
    before = copy.deepcopy(stack.database.tables.items)

    stack.provider.poll_answer = InProgress("processing")
    assert plan_checked_adoption(settle, stack.job, "gen_1").refused is None
    stack.provider.poll_answer = PollFault("404", 404)
    assert (
        plan_checked_adoption(settle, stack.job, "gen_1").refused == "The provider does not know the generation gen_1."
    )
    stack.provider.poll_answer = PollFault("the provider answered 503", 503)
    with pytest.raises(CommandError) as failed:
        plan_checked_adoption(settle, stack.job, "gen_1")
    assert failed.value.exit_status is Exit.FAILED
    assert str(failed.value).startswith("The provider cannot be asked about gen_1 now: the provider answered 503.")

    assert stack.database.tables.items == before
    assert (stack.bus.published, stack.provider.sent) == ([], [])


def test_reasons_choose_the_jobs_and_must_be_resumable() -> None:
    job = jobs(1)[0]

    assert is_resumable(job, ())
    assert is_resumable(job, ("timed_out", "check_failed"))
    assert not is_resumable(job, ("check_failed",))
    assert not is_resumable(unknown_job(), ())
    require_resumable(("timed_out",))
    with pytest.raises(CommandError, match="--reason takes: check_failed, delivery_failed"):
        require_resumable(("timed_out", "abandoned"))


# --- each in turn -----------------------------------------------------------------------------------------------------


def test_jobs_are_decided_about_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    planned = [plan_resume(job) for job in jobs(3)]

    assert decide(batch(planned, is_json=True)) == Exit.DONE

    document = json.loads(capsys.readouterr().out)
    validate_document(document, "resume")
    assert [(row["outcome"], row["status"]) for row in document["jobs"]] == [("done", "generating")] * 3


def test_a_failure_is_noted_and_the_others_follow(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = jobs(3)
    acted = []

    def act(job: Job) -> Job:
        acted.append(job)
        if job is second:
            raise RetryLater(f"job {job.job_id} was changed meanwhile; try again")
        return resumed(job)

    planned = [plan_resume(job) for job in (first, second, third, job_with(status=JobStatus.COMPLETED))]
    assert decide(batch(planned, is_json=True), act) == Exit.FAILED

    assert acted == [first, second, third]
    printed = capsys.readouterr()
    rows = json.loads(printed.out)["jobs"]
    assert [row["outcome"] for row in rows] == ["done", "failed", "done", "refused"]
    assert rows[1]["message"] == f"Job {second.job_id} was changed meanwhile; try again."
    assert rows[1]["message"] in printed.err


def test_a_dry_run_decides_about_none(capsys: pytest.CaptureFixture[str]) -> None:
    planned = [plan_resume(job) for job in jobs(2)]

    assert decide(batch(planned), lambda _: pytest.fail("it acts"), dry_run=True) == Exit.DONE

    shown = capsys.readouterr().out
    assert shown.count("polls generation gen_1 again") == 2
    assert shown.count("nothing") == 2


def test_without_a_yes_nothing_is_done() -> None:
    with pytest.raises(CommandError) as refused:
        decide(batch([plan_resume(jobs(1)[0])]), lambda _: pytest.fail("it acts"), yes=False)

    assert refused.value.exit_status is Exit.REFUSED


def test_what_is_blocked_is_shown_and_not_done_even_with_a_yes(capsys: pytest.CaptureFixture[str]) -> None:
    one = batch([plan_resubmit(unknown_job(), LIMIT, DOCUMENTED)], blocked="Nothing was submitted.")

    with pytest.raises(CommandError, match=r"Nothing was submitted\.") as refused:
        decide(one, lambda _: pytest.fail("it acts"))

    assert refused.value.exit_status is Exit.REFUSED
    assert "MAY PAY TWICE" in capsys.readouterr().err


def test_all_refused_is_6_and_none_at_all_is_0() -> None:
    assert decide(batch([plan_resume(job_with(status=JobStatus.COMPLETED))])) == Exit.REFUSED
    assert decide(batch([])) == Exit.DONE


def test_ctrl_c_says_what_is_done_and_left() -> None:
    first, second, third = jobs(3)

    def act(job: Job) -> Job:
        if job is second:
            raise KeyboardInterrupt
        return resumed(job)

    with pytest.raises(KeyboardInterrupt):
        decide(batch([plan_resume(job) for job in (first, second, third)]), act)

    assert Command.left_behind == (
        f"Done: {first.job_id}. Left: {second.job_id}, {third.job_id}. The first of these may be half done; doing it again "
        f"completes it.\nContinue: dropreel resume {second.job_id} {third.job_id} --local"
    )


def test_many_jobs_are_continued_by_their_selection() -> None:
    def stop(_: Job) -> Job:
        raise KeyboardInterrupt

    many = jobs(30)
    with pytest.raises(KeyboardInterrupt):
        decide(batch([plan_resume(job) for job in many], selection="--all --since 2d"), stop)

    assert Command.left_behind.startswith("No job was finished. Left: ")
    assert Command.left_behind.endswith(
        f"Continue: dropreel resume {many[0].job_id} --local and then dropreel resume --all --since 2d --local"
    )
    assert "and 10 more" in Command.left_behind


def test_a_missing_permission_ends_it_with_what_is_left() -> None:
    message = "User: x is not authorized to perform: states:StartExecution on resource: y"
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "StartExecution")
    acted = []

    def act(job: Job) -> Job:
        acted.append(job)
        raise denied

    with pytest.raises(CommandError) as failed:
        decide(batch([plan_resume(job) for job in jobs(2)]), act)

    assert (failed.value.exit_status, len(acted)) == (Exit.UNREACHABLE, 1)
    assert "states:StartExecution" in str(failed.value)
    assert "Continue: dropreel resume" in str(failed.value)


def test_keys_and_reasons_cannot_change_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    key = "\x1b[31mred\u202e[bold].jpg"
    planned = [plan_resume(job) for job in jobs(1, image=IMAGE._replace(key=key))]

    decide(batch(planned), dry_run=True)
    decide(batch(planned))

    printed = "".join(capsys.readouterr())
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert printed.count("\\x1b[31mred\\u202e[bold].jpg") == 3
