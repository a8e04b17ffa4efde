"""Each change of the in-memory tables as a DynamoDB stream has it, and whether it was in a transaction."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dropreel.domain.job import JobStatus
from dropreel.provider.poll_answers import Finished, InProgress
from tests.support.fake_stack import GENERATION, FakeStack

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """One item that one call has changed. `call` is the call's number, the same for all items of a transaction."""

    call: int
    table: str
    key: Item
    old: Item | None
    new: Item | None
    in_transaction: bool

    @property
    def record(self) -> dict[str, Any]:
        """The change as a stream with both images has it."""
        images = {"OldImage": self.old, "NewImage": self.new}
        return {"Keys": self.key, **{name: image for name, image in images.items() if image is not None}}


def record_changes(stack: FakeStack) -> list[Change]:
    """Return a list to which each later change is added."""
    changes: list[Change] = []
    client, tables = stack.database.client, stack.database.tables
    original, calls = client.around, itertools.count(1)

    def record(operation: str, arguments: dict[str, Any], act: Callable[[], Any]) -> Any:
        if operation in ("GetItem", "Query"):
            return original(operation, arguments, act)
        before = copy.deepcopy(tables.items)
        answer = original(operation, arguments, act)
        call, updates = next(calls), [one["Update"] for one in arguments.get("TransactItems", [])] or [arguments]
        for update in updates:
            table, key = update["TableName"], tuple(part["S"] for part in update["Key"].values())
            old, new = before[table].get(key), copy.deepcopy(tables.items[table].get(key))
            changes.append(Change(call, table, update["Key"], old, new, operation == "TransactWriteItems"))
        return answer

    client.around = record
    return changes


def changes_of_one_video(polls: int = 2) -> list[Change]:
    """Return every change of one upload without faults."""
    stack = FakeStack()
    changes = record_changes(stack)
    stack.run()
    stack.provider.poll_answer = InProgress("processing")
    for _ in range(polls - 1):
        stack.check.run(GENERATION)
    stack.provider.poll_answer = Finished("https://cdn.example/v.mp4")
    stack.check.run(GENERATION)
    stack.deliver.run(GENERATION)
    assert stack.job.status is JobStatus.COMPLETED
    return changes
