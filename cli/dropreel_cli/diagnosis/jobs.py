"""Checks of the jobs that wait, of what was charged, and of the alarms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from dropreel.adapters.job_table import JobTable
from dropreel.domain.days import day_of
from dropreel.domain.job import OPERATOR, JobStatus
from dropreel.domain.next_steps import can_resume
from dropreel.domain.prices import usd
from dropreel.domain.spending import SpendLimit
from dropreel_cli.diagnosis.check import JOB_DAYS, MOST_JOBS, Finding, Site, failed, ok
from dropreel_cli.spend_table import charged_cents
from dropreel_cli.stack_settings import prices_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel.domain.job import Job

_LONG = timedelta(minutes=15)
"""A job that is deferred for longer needs attention."""
_ALARMS_A_REQUEST = 100


def alarms(site: Site) -> Finding:
    """Look for alarms in the state ALARM."""
    client, logical = site.stack.client("cloudwatch"), site.resources.of_kind("AWS::CloudWatch::Alarm")
    names = list(logical.values())[:_ALARMS_A_REQUEST]
    if not names:
        return failed("The stack has no alarms.", f"Deploy again: {site.command('deploy')}")
    found = client.describe_alarms(AlarmNames=names)["MetricAlarms"]
    ringing = [one for one in found if one["StateValue"] == "ALARM"]
    if ringing:
        ids = {name: logical_id for logical_id, name in logical.items()}
        named = ", ".join(sorted(ids[one["AlarmName"]] for one in ringing))
        described = " ".join(one.get("AlarmDescription", "") for one in ringing)
        return failed(f"In ALARM: {named}.", site.named(described))
    return ok(f"none of {len(names)} is in ALARM")


def charges(site: Site) -> Finding:
    """Compare today's charges with the limit."""
    limit = SpendLimit.parse(site.stack.parameters["DailySpendLimitUsd"])
    today = charged_cents(site.stack, day_of(datetime.now(UTC)))
    said = f"${usd(today)} of {'no limit' if limit.cents is None else f'${usd(limit.cents)}'} today (UTC)"
    room = limit.room_after(today)
    if room is not None and room < prices_of(site.stack).lowest:
        return failed(
            f"{said}: images are held until tomorrow (UTC), or until the limit is raised.",
            site.command("set DailySpendLimitUsd=…"),
        )
    return ok(said)


def held(site: Site) -> Finding:
    """Count the jobs that wait for the spend limit."""
    count = _waiting(site, JobStatus.HELD)
    if count:
        return failed(
            f"{_counted(count, 'job')} for the day's spend limit.",
            f"Nothing, they are submitted when the day (UTC) changes; sooner: {site.command('set DailySpendLimitUsd=…')}",
        )
    return ok("none")


def deferred(site: Site) -> Finding:
    """Count the jobs that have waited for the provider for long, or for the operator."""
    count = _waiting(site, JobStatus.DEFERRED, _LONG)
    if count:
        return failed(
            f"{_counted(count, 'job')} for the provider for more than {_LONG.seconds // 60} minutes.",
            f"See why: {site.command('jobs --status deferred')}",
        )
    return ok(f"none for more than {_LONG.seconds // 60} minutes")


def unknown(site: Site) -> Finding:
    """Count the week's jobs for which it is unknown whether they were charged."""
    return _of_the_week(
        site,
        lambda job: job.status is JobStatus.UNKNOWN,
        "may have been charged, and need your decision",
        f"See them: {site.command('jobs --status unknown')}; then adopt, resubmit or abandon each.",
    )


def resumable(site: Site) -> Finding:
    """Count the week's failed jobs whose paid video can still be delivered."""
    return _of_the_week(
        site,
        can_resume,
        "failed with a video that is paid and can still be delivered",
        f"{site.command('resume --all')}: nothing is paid again.",
    )


def dead_letters(site: Site) -> Finding:
    """Count the messages that could not be processed, and the jobs that wait for theirs."""
    count, waiting = message_count(site, site.stack.outputs["DeadLetterQueueUrl"]), _waiting(site, OPERATOR)
    if count or waiting:
        return failed(
            f"{_counted(count, 'message')} in the dead-letter queue; {waiting} jobs need one sent back.",
            f"Fix the cause, then: {site.command('redrive')}. Nothing is paid twice.",
        )
    return ok("none")


def failed_invocations(site: Site) -> Finding:
    """Count the failed invocations of the sweeper and of Report Failure."""
    count = message_count(site, site.resources["FailedInvocationsQueue"])
    if count:
        return failed(
            f"{_counted(count, 'message')} in the queue FailedInvocationsQueue: Sweep Jobs or Report Failure failed.",
            "Its messages say why. No image is lost: the sweeper runs every five minutes. Purge the queue when it is solved.",
        )
    return ok("none")


def message_count(site: Site, url: str) -> int:
    """Return how many messages are in a queue."""
    name = "ApproximateNumberOfMessages"
    answer = site.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def _waiting(site: Site, what: str, longer_than: timedelta = timedelta()) -> int:
    table = JobTable(site.stack.client("dynamodb"), site.stack.outputs["JobsTableName"])
    return sum(1 for _ in islice(table.waiting(what, datetime.now(UTC) - longer_than), MOST_JOBS))


def _of_the_week(site: Site, is_one: Callable[[Job], bool], what: str, step: str) -> Finding:
    jobs = site.last_jobs
    count = sum(1 for job in jobs if is_one(job))
    looked = f"the last {len(jobs)} jobs" if len(jobs) == MOST_JOBS else f"the last {JOB_DAYS} days"
    if count:
        return failed(f"{count} of {looked} {what}.", step)
    return ok(f"none in {looked}")


def _counted(count: int, noun: str) -> str:
    many = f"{MOST_JOBS} or more" if count >= MOST_JOBS else str(count)
    verb = {"job": "waits" if count == 1 else "wait", "message": "is" if count == 1 else "are"}[noun]
    return f"{many} {noun}{'' if count == 1 else 's'} {verb}"
