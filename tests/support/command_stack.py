"""A stack in moto for the commands: the tables of template.yaml, two queues, and `dropreel` as a call."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import boto3
import pytest

from dropreel.adapters.items import attribute_value
from dropreel.domain.days import day_of, spend_day
from dropreel.domain.job import Charge, Job, JobStatus
from dropreel.domain.reasons import Reason
from dropreel_cli import connection
from dropreel_cli.app import main
from dropreel_cli.stack import Stack
from tests.support.moto_account import moto_account
from tests.support.rows import job_row
from tests.support.templates import load_template

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:generate"


@dataclass
class CommandStack:
    """The stack `shop`, and what fills its tables."""

    stack: Stack

    @cached_property
    def dynamodb(self) -> Any:
        return self.stack.client("dynamodb")

    def put(self, *jobs: Job) -> None:
        """Put jobs into the table."""
        self._write("jobs", [job_row(job) for job in jobs])

    def put_submission(
        self,
        job: Job,
        at: datetime,
        charge: Charge = Charge.CHARGED,
        *,
        attempt: int = 1,
        requeues: int = 0,
        status: JobStatus = JobStatus.COMPLETED,
        generation_id: str | None = None,
        reason: Reason | None = None,
        cents: int | None = None,
    ) -> None:
        """Put a submission's row into the table, and the row of its generation; the spend table stays as it is."""
        day = spend_day(day_of(at), is_rehearsal=job.rehearsal)
        row = {
            "job_id": job.job_id,
            "row": f"attempt#{attempt:02}#{requeues:04}",
            "attempt": attempt,
            "requeues": requeues,
            "status": status.value,
            "charge": charge.value,
            "generation_id": generation_id,
            "reason": None if reason is None else reason.as_json(),
            "created_at": at,
            "updated_at": at,
            "day": day,
            "listed": f"attempt#{day}",
            "cost_cents": job.cost_cents if cents is None else cents,
            "version": 1,
        }
        rows = [_item(row)]
        if generation_id is not None:
            key = {"job_id": f"generation#{generation_id}", "row": "generation", "claimed_by": job.job_id}
            rows.append(_item(key))
        self._write("jobs", rows)

    def reserve(self, day: str, cents: int) -> None:
        """Set what is reserved on a day."""
        self._write("spend", [_item({"day": day, "reserved_cents": cents})])

    def _write(self, table: str, items: Iterable[dict[str, Any]]) -> None:
        items = list(items)
        for at in range(0, len(items), 25):
            requests = [{"PutRequest": {"Item": item}} for item in items[at : at + 25]]
            self.dynamodb.batch_write_item(RequestItems={table: requests})


@contextmanager
def command_stack(monkeypatch: pytest.MonkeyPatch, **parameters: str) -> Iterator[CommandStack]:
    """Start a stack in moto, which every command of the block connects to."""
    with moto_account():
        session = boto3.Session()
        create_tables(session.client("dynamodb"))
        outputs = create_outputs(session.client("sqs"))
        stack = Stack("shop", outputs, session, parameters={"DailySpendLimitUsd": "50", **parameters})
        monkeypatch.setattr(connection, "connect", lambda _options: stack)
        yield CommandStack(stack)


def create_tables(dynamodb: Any) -> None:
    """Create the tables `jobs` and `spend` as template.yaml has them."""
    for name, logical_id in (("jobs", "JobsTable"), ("spend", "SpendTable")):
        properties = _resources()[logical_id]["Properties"]
        wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        definition = {key: properties[key] for key in wanted if key in properties}
        dynamodb.create_table(TableName=name, **definition)


def create_outputs(sqs: Any) -> dict[str, str]:
    """Create the queues, and return the outputs of the stack."""
    queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dead-letters")]
    return {
        "JobsTableName": "jobs",
        "SpendTableName": "spend",
        "VideosBucketName": "videos",
        "UploadsBucketName": "uploads",
        "QueueUrl": queues[0],
        "DeadLetterQueueUrl": queues[1],
        "StateMachineArn": MACHINE,
    }


def run(*arguments: str) -> int:
    """Call `dropreel`; return its exit status."""
    return main(arguments)


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = load_template(str(TEMPLATE))["Resources"]
    return resources


def _item(values: dict[str, Any]) -> dict[str, Any]:
    return {name: attribute_value(value) for name, value in values.items() if value is not None}
