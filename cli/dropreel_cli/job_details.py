"""`dropreel show`: finds a job, reads its rows and prints its story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from dropreel.adapters.job_table import JOB_ROW, JobTable, job_of
from dropreel.domain.forgetting import is_forgotten
from dropreel_cli.console_links import ConsoleLinks, execution_arn, log_groups
from dropreel_cli.job_lists import JobLists
from dropreel_cli.job_search import JobSearch
from dropreel_cli.job_story import JobStory, Submission, headline, sections
from dropreel_cli.job_tables import jobs_table, show_table
from dropreel_cli.next_commands import next_commands
from dropreel_cli.stack_resources import StackResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel.domain.job import Job
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output
    from dropreel_cli.stack import Stack

_MAX_OTHERS = 10
_LABEL = 17
"""Columns of the labels."""


def show_job(options: StackOptions, output: Output, named: str, since: datetime) -> None:
    """Print the story of the newest job that `named` names, and a short list of the others."""
    stack = options.connect()
    lists = JobLists(stack.client("dynamodb"), stack.outputs["JobsTableName"])
    search = JobSearch(lists, since, datetime.now(UTC))
    story = read_story(stack, lists, search.find(named, stack.outputs["VideosBucketName"]), options.arguments)
    output.document({"stack": stack.name, **story.as_json()})
    output.text(*headline(story.job))
    for section in sections(story):
        output.text()
        output.text(section.heading, "bold")
        width = _LABEL if any(label for label, _ in section.lines) else 0
        for label, value in section.lines:
            output.text(f"  {label:<{width}}{value}")
    if story.others:
        output.text()
        output.text(f"Other jobs of this image ({len(story.others)})", "bold")
        show_table(output, jobs_table(story.others[:_MAX_OTHERS], story.now, output.console.width))
        if len(story.others) > _MAX_OTHERS:
            output.text("Their whole list is in --json.")


def read_story(
    stack: Stack,
    lists: JobLists,
    jobs: list[Job],
    arguments: str,
    resources: Callable[[Stack], StackResources | None] = StackResources.if_allowed,
) -> JobStory:
    """Read all rows of the first of these jobs. The others are listed with it. `resources` lists the stack's, for links."""
    rows = JobTable(lists.client, lists.table).history(jobs[0].job_id)
    job = next((job_of(row) for row in rows if row["row"] == JOB_ROW), jobs[0])
    return JobStory(
        job,
        [Submission.of(row) for row in rows if row["row"].startswith("attempt#")],
        datetime.now(UTC),
        links_of(stack, job, resources),
        next_commands(job, arguments, stack.endpoint_url),
        jobs[1:],
    )


def links_of(
    stack: Stack, job: Job, list_resources: Callable[[Stack], StackResources | None] = StackResources.if_allowed
) -> dict[str, str]:
    """Return where to look further: the AWS console, or the local cloud's own addresses. None of them is signed.

    Of a forgotten job neither image nor video is there to look at.
    """
    machine = stack.outputs["StateMachineArn"]
    execution = execution_arn(machine, job) if job.generation_id else None
    has_objects = not is_forgotten(job)
    if stack.endpoint_url:
        local = {"image": _local(stack.endpoint_url, job.image.bucket, job.image.key)} if has_objects else {}
        if job.video is not None and has_objects:
            local["video"] = _local(stack.endpoint_url, job.video.bucket, job.video.key)
        return {**local, **({"execution": execution} if execution else {})}
    console = ConsoleLinks.of(machine)
    links = {}
    if has_objects:
        links["image"] = console.s3_object(job.image.bucket, job.image.key, job.image.version_id)
    if job.video is not None and has_objects:
        links["video"] = console.s3_object(job.video.bucket, job.video.key, job.video.version_id)
    if execution:
        links["execution"] = console.execution(execution)
    links["item"] = console.item(stack.outputs["JobsTableName"], job.job_id)
    resources = list_resources(stack)
    if resources is not None and (groups := log_groups(resources.physical_ids)):
        minute = timedelta(minutes=1)
        links["logs"] = console.logs(groups, job.job_id, job.created_at - minute, job.updated_at + 10 * minute)
    return links


def _local(endpoint_url: str, bucket: str, key: str) -> str:
    return f"{endpoint_url}/{bucket}/{quote(key)}"
