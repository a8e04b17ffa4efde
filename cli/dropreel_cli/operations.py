"""The use cases of the operator, built for a stack: the code of the functions on the operator's own credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from dropreel.adapters.event_bus import EventBus
from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.adapters.queues import JobQueue
from dropreel.adapters.state_machine import StateMachine
from dropreel.domain.spending import SpendLimit
from dropreel.use_cases.forget_job import ForgetJob
from dropreel.use_cases.publish_events import Publisher
from dropreel.use_cases.resume_job import ResumeJob
from dropreel.use_cases.settle_unknown import SettleUnknown
from dropreel_cli.job_lists import JobLists
from dropreel_cli.rehearsals import is_rehearsal
from dropreel_cli.stack_resources import StackResources

if TYPE_CHECKING:
    from dropreel.provider.poll_answers import PollAnswer
    from dropreel_cli.stack import Stack


@dataclass(frozen=True)
class Operations:
    """Everything is built with its first use, so that a command needs no permission that it does not use."""

    stack: Stack

    @cached_property
    def jobs(self) -> JobTable:
        """The job table."""
        return JobTable(self.stack.client("dynamodb"), self.stack.outputs["JobsTableName"])

    @cached_property
    def lists(self) -> JobLists:
        """Lists of jobs, by the job table's indexes."""
        return JobLists(self.jobs.client, self.jobs.table)

    @cached_property
    def ledger(self) -> Ledger:
        """The spend table, with the stack's limit."""
        limit = SpendLimit.parse(self.stack.parameters["DailySpendLimitUsd"])
        return Ledger(self.jobs.client, self.jobs.table, self.stack.outputs["SpendTableName"], limit)

    @cached_property
    def publisher(self) -> Publisher:
        """Publishes events on the stack's bus, as the stack."""
        bus = EventBus(self.stack.client("events"), self.stack.outputs["EventBusName"], self.stack.name)
        return Publisher(self.jobs, bus)

    @cached_property
    def resume_job(self) -> ResumeJob:
        """Resumes failed jobs."""
        return ResumeJob(self.jobs, self._state_machine, self.publisher, now)

    @cached_property
    def forget_job(self) -> ForgetJob:
        """Redacts jobs."""
        return ForgetJob(self.jobs)

    @cached_property
    def settle_unknown(self) -> SettleUnknown:
        """Settles unknown jobs. Only `adopt` reads the API key."""
        queue = JobQueue(partial(self.stack.client, "sqs"), self.stack.outputs["QueueUrl"])
        provider = _Provider(self.stack)
        return SettleUnknown(self.jobs, provider, self._state_machine, queue, self.publisher, now)

    @cached_property
    def _state_machine(self) -> StateMachine:
        return StateMachine(self.stack.client("stepfunctions"), self.stack.outputs["StateMachineArn"])


@dataclass(frozen=True)
class _Provider:
    """Asks the stack's provider about a generation, with the stack's key."""

    stack: Stack

    def poll(self, generation_id: str) -> PollAnswer:
        """GET the state of one generation. Nothing is paid."""
        from dropreel.domain.rehearsals import is_rehearsal_id
        from dropreel.provider.rehearsal import NoProvider, Rehearsal

        if is_rehearsal_id(generation_id):
            return Rehearsal(lambda _url: None, now, str).poll(generation_id)
        if is_rehearsal(self.stack):
            return NoProvider().poll(generation_id)
        from dropreel.provider.client import ProviderClient

        base_url = self.stack.parameters["NohumanApiBaseUrl"].rstrip("/")
        return ProviderClient(base_url, partial(api_key, self.stack)).poll(generation_id)


def api_key(stack: Stack) -> str:
    """Return the API key from the stack's secret, without white space around it. Raises botocore's ClientError."""
    secret_id = StackResources.of(stack)["ApiKeySecret"]
    secret: str = stack.client("secretsmanager").get_secret_value(SecretId=secret_id)["SecretString"]
    return secret.strip()


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
