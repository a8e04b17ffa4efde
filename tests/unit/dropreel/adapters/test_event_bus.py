"""An event is on the bus only when the bus says so."""

import json
import types
from typing import Any

import pytest

from dropreel.adapters.event_bus import PAUSES, EventBus
from dropreel.domain.errors import PublishFault
from dropreel.domain.events import detail_of
from dropreel.domain.job import EventType
from tests.support.sample_jobs import job_with

TAKEN = {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
NOT_TAKEN = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "try later"}]}


class Client:
    """Answers PutEvents with the given answers, and keeps what was put."""

    meta = types.SimpleNamespace(partition="aws-cn")

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.put: list[dict[str, Any]] = []

    def put_events(self, **arguments: Any) -> dict[str, Any]:
        self.put += arguments["Entries"]
        return self.answers.pop(0)


def publish(*answers: dict[str, Any]) -> tuple[Client, list[float]]:
    client: Any = Client(*answers)
    pauses: list[float] = []
    bus = EventBus(client, "default", "shop", pauses.append)
    bus.publish(EventType.SUBMITTED, detail_of(job_with(), EventType.SUBMITTED))
    return client, pauses


def test_an_event_is_put_once_where_the_bus_takes_it():
    client, pauses = publish(TAKEN)

    (entry,) = client.put
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        "dropreel",
        "Video Generation Submitted",
        "default",
    )
    assert json.loads(entry["Detail"])["data"]["job_id"] == job_with().job_id
    assert entry["Resources"] == ["arn:aws-cn:s3:::uploads"]
    assert pauses == []


@pytest.mark.parametrize("refusals", [1, 2])
def test_an_event_that_the_bus_did_not_take_is_put_again_unchanged(refusals):
    client, pauses = publish(*[NOT_TAKEN] * refusals, TAKEN)

    assert len(client.put) == refusals + 1
    assert all(entry == client.put[0] for entry in client.put)
    assert pauses == list(PAUSES[:refusals])


def test_an_event_that_the_bus_does_not_take_is_a_fault_that_says_why():
    with pytest.raises(PublishFault, match=r"Video Generation Submitted was not taken: InternalFailure try later"):
        publish(NOT_TAKEN, NOT_TAKEN, NOT_TAKEN)
