"""Jobs and money together: what a claim takes and what a surely unpaid submission gives back are one transaction each."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from dropreel.adapters.attribute_values import attribute_value
from dropreel.adapters.job_table import OURS, attributes_of, job_update, ours, reason_attributes, reason_json
from dropreel.errors import TryAgain
from dropreel.fingerprints import Picture
from dropreel.jobs import Job, JobStatus, Reason
from dropreel.spending import SpendLimit, day_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef

MAX_TRIES = 16
"""Transactions that meet another one on the same item are tried so often: hundreds of jobs share the day's one item."""
MAX_GIVE_BACK_TRIES = 30
"""A job whose money cannot be given back would count as perhaps paid: that is worth 30 of the function's 100 seconds."""
MAX_PAUSE_SECONDS = 1.0
"""The longest pause between two tries: more tries do more than longer pauses."""


class NotClaimed(Enum):
    """Why a claim took nothing: somebody else has the job or its picture, or the day's limit would be passed."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    NO_MONEY = "no_money"


@dataclass(frozen=True)
class Ledger:
    """The only writer of the spend table: one item a day (UTC), `reserved_cents` is what may have been spent on it."""

    client: "DynamoDBClient"
    jobs_table: str
    spend_table: str
    limit: SpendLimit
    sleep: Callable[[float], None] = time.sleep

    def claim(self, job: Job, now: datetime, lease: timedelta, picture: Picture | None = None) -> Job | NotClaimed:
        """Write the intent to submit and reserve its price, both or neither.

        The job must not exist, or wait as `deferred` or `held` for this very attempt. `picture` is given at a job's first
        claim: a copy claims only a picture that no other job has claimed. An upload always claims, unless it is the original
        of a copy that has claimed already: S3's events come in any order.
        """
        day = day_of(now)
        claimed = replace(
            job,
            status=JobStatus.SUBMITTING,
            lease_until=now + lease,
            updated_at=now,
            reserved_day=day,
            reason=None,
            sent_at=None,
            sends=0,
        )
        update = job_update(
            self.jobs_table,
            job.job_id,
            attributes_of(claimed),
            "attribute_not_exists(job_id) OR (#status IN (:deferred, :held) AND attempt = :attempt_was AND defers = :defers_was)",
            {
                ":deferred": JobStatus.DEFERRED,
                ":held": JobStatus.HELD,
                ":attempt_was": job.attempt,
                ":defers_was": job.defers,
            },
        )
        updates = [update, self._spend(day, job.cost_cents, self.limit.cents)]
        answers = [NotClaimed.TAKEN, NotClaimed.NO_MONEY]
        if picture is not None:
            updates.insert(1, self._claim_picture(picture, job.job_id))
            answers.insert(1, NotClaimed.DUPLICATE)
        failed = self._transact(updates)
        return claimed if failed is None else answers[failed]

    def claimed_by(self, picture: Picture) -> str | None:
        """Return the id of the job that claimed a picture last, or None."""
        key = {"job_id": {"S": picture.item_key}}
        answer = self.client.get_item(TableName=self.jobs_table, Key=key, ConsistentRead=True)
        return answer["Item"]["claimed_by"]["S"] if "Item" in answer else None

    def give_back(
        self, job: Job, changes: dict[str, Any], reason: Reason, now: datetime, event: str | None = None
    ) -> bool:
        """Move a claimed job on and give its reservation back, both or neither: only where the provider surely did not charge.

        False: the job is not ours any more, and nothing was given back.
        """
        after = replace(job, status=JobStatus(changes.get("status", job.status)), reason=reason)
        written = {**changes, **reason_attributes(after), "updated_at": now, "reserved_day": None}
        if "deferred_reason" in changes:
            written["deferred_reason"] = reason_json(changes["deferred_reason"])
        update = job_update(self.jobs_table, job.job_id, written, OURS, ours(job, JobStatus.SUBMITTING), event)
        spend = self._spend(job.reserved_day or day_of(now), -job.cost_cents, None)
        return self._transact([update, spend], MAX_GIVE_BACK_TRIES) is None

    def reserved_cents(self, day: str) -> int:
        """Return what may have been spent on a day, in US cents."""
        answer = self.client.get_item(TableName=self.spend_table, Key={"day": {"S": day}}, ConsistentRead=True)
        return int(answer.get("Item", {}).get("reserved_cents", {"N": "0"})["N"])

    def _claim_picture(self, picture: Picture, job_id: str) -> dict[str, Any]:
        """Return the update of a picture's item: `claimed_by`, and of the copy that claimed it `copied_at`."""
        update: dict[str, Any] = {
            "TableName": self.jobs_table,
            "Key": {"job_id": {"S": picture.item_key}},
            "UpdateExpression": "SET claimed_by = :job",
            "ExpressionAttributeValues": {
                ":job": {"S": job_id},
                ":modified_at": attribute_value(picture.modified_at),
            },
        }
        if picture.is_copy:
            update["UpdateExpression"] += ", copied_at = :modified_at"
            update["ConditionExpression"] = "attribute_not_exists(claimed_by) OR claimed_by = :job"
        else:
            original = "attribute_not_exists(copied_at) OR copied_at < :modified_at"
            update["ConditionExpression"] = f"{original} OR claimed_by = :job"
        return update

    def _spend(self, day: str, cents: int, limit: int | None) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": self.spend_table,
            "Key": {"day": {"S": day}},
            "UpdateExpression": "ADD reserved_cents :cents",
            "ExpressionAttributeValues": {":cents": {"N": str(cents)}},
        }
        if limit is not None:
            room = limit - cents
            fits = "reserved_cents <= :room"
            update["ConditionExpression"] = f"attribute_not_exists(reserved_cents) OR {fits}" if room >= 0 else fits
            update["ExpressionAttributeValues"][":room"] = {"N": str(room)}
        return update

    def _transact(self, updates: list[dict[str, Any]], max_tries: int = MAX_TRIES) -> int | None:
        """Write all or nothing. Return None, or the index of the update whose condition did not hold. Raises TryAgain."""
        for tries in range(max_tries):
            try:
                self.client.transact_write_items(
                    TransactItems=[{"Update": cast("UpdateTypeDef", update)} for update in updates]
                )
            except self.client.exceptions.TransactionCanceledException as error:
                codes = [reason.get("Code") for reason in error.response["CancellationReasons"]]
                if "ConditionalCheckFailed" in codes:
                    return codes.index("ConditionalCheckFailed")
                if tries + 1 < max_tries:
                    pause = min(MAX_PAUSE_SECONDS, 0.05 * 2 ** min(tries, 10))
                    self.sleep(random.uniform(0, pause))  # noqa: S311  # jitter, not a secret
            else:
                return None
        raise TryAgain("the ledger is busy: too many transactions at once")
