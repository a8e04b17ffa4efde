"""Every change that the use cases make to the tables, as a stream of DynamoDB tells of it, and whether it was in a transaction."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dropreel.domain.job import JobStatus
from dropreel.provider.answers import Finished, InProgress
from tests.support.fake_stack import GENERATION, FakeStack

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Change:
    """One item that one call has changed. `call` is its number; what one transaction changes has the same."""

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


def watched(stack: FakeStack) -> list[Change]:
    """Return a list that each change from now on is added to."""
    changes: list[Change] = []
    client, tables = stack.database.client, stack.database.tables
    around, calls = client.around, [0]

    def look(operation: str, arguments: dict[str, Any], act: Callable[[], Any]) -> Any:
        updates = [one["Update"] for one in arguments.get("TransactItems", [])] or [arguments]
        if operation in ("GetItem", "Query"):
            return around(operation, arguments, act)

        def item(update: dict[str, Any]) -> Item | None:
            found: Item | None = tables.items[update["TableName"]].get(
                tuple(part["S"] for part in update["Key"].values())
            )
            return copy.deepcopy(found)

        before = [item(update) for update in updates]
        answer = around(operation, arguments, act)
        calls[0] += 1
        is_transaction = operation == "TransactWriteItems"
        changes.extend(
            Change(calls[0], update["TableName"], update["Key"], old, item(update), is_transaction)
            for update, old in zip(updates, before, strict=True)
        )
        return answer

    client.around = look
    return changes


def one_video(polls: int = 2) -> list[Change]:
    """Return every change on the way of one upload that nothing disturbs."""
    stack = FakeStack()
    changes = watched(stack)
    stack.run()
    stack.provider.poll_answer = InProgress("processing")
    for _ in range(polls - 1):
        stack.check.run(GENERATION)
    stack.provider.poll_answer = Finished("https://cdn.example/v.mp4")
    stack.check.run(GENERATION)
    stack.deliver.run(GENERATION)
    assert stack.job.status is JobStatus.COMPLETED
    return changes
