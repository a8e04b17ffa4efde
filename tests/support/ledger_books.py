"""The job table and the ledger on any DynamoDB client, and jobs to claim and to release."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.ledger import Ledger
from dropreel.domain.fingerprints import Picture
from dropreel.domain.job import Job, claim, defer, receive
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.spending import NotReserved, SpendLimit
from tests.support.sample_jobs import IMAGE, NOON

DAY, NEXT_DAY = "2026-05-04", "2026-05-05"
LEASE = timedelta(seconds=150)
LATER = NOON + timedelta(minutes=5)
TOMORROW = NOON + timedelta(days=1)
JOB_ID = "a" * 24
BUSY = Reason(ReasonCode.PROVIDER_BUSY, "The provider is busy (429).")


@dataclass
class Books:
    """Both tables on one client, and ledgers with any limit."""

    client: Any
    pauses: list[float] = field(default_factory=list)

    @property
    def jobs(self) -> JobTable:
        return JobTable(self.client, "jobs")

    def ledger(self, cents: int | None = 5000) -> Ledger:
        return Ledger(self.client, "jobs", "spend", SpendLimit(cents), self.pauses.append)

    def begin_with(self, cents: int) -> None:
        """Reserve so many cents on the day, for other jobs."""
        self.client.update_item(
            TableName="spend",
            Key={"day": {"S": DAY}},
            UpdateExpression="ADD reserved_cents :cents, version :one",
            ExpressionAttributeValues={":cents": {"N": str(cents)}, ":one": {"N": "1"}},
        )

    def has(self, job_id: str = JOB_ID, **changes: Any) -> Job:
        """Put a deferred job that costs 47 cents into the table, whatever the price table says."""
        return self.saved(None, replace(receive(job_id, IMAGE, NOON), **{"cost_cents": 47, **changes}))

    def saved(self, before: Job | None, after: Job) -> Job:
        found = self.jobs.save(before, after)
        assert found is not None
        return found

    def stored(self, job_id: str = JOB_ID) -> Job:
        found = self.jobs.get(job_id)
        assert found is not None
        return found

    def reserve(self, job: Job, cents: int | None = 5000, picture: Picture | None = None) -> Job | NotReserved:
        return self.ledger(cents).reserve(job, claim(job, NOON, LEASE), picture)

    def claimed(self, job: Job | None = None) -> Job:
        found = self.reserve(job or self.has())
        assert isinstance(found, Job), found
        return found

    @property
    def reserved(self) -> int:
        return self.ledger().reserved_cents(DAY)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows of the job."""
        return self.jobs.history(JOB_ID)


def deferred(job: Job) -> Job:
    return defer(job, BUSY, LATER, NOON)
