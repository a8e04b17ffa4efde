"""A step may publish our events and no others."""

from typing import Any

import pytest

from tests.e2e.conftest import Account
from tests.e2e.roles import may_publish, publisher, statements

PUBLISHERS = ("SubmitGeneration", "DeliverVideo", "ReportFailure", "SweepJobs")


def put_events_of(account: Account, role: str) -> dict[str, Any]:
    (statement,) = [one for one in statements(account, role) if one["Action"] == "events:PutEvents"]
    found: dict[str, Any] = statement
    return found


@pytest.mark.parametrize("role", PUBLISHERS)
def test_a_step_may_publish_our_events_and_no_others(account: Account, role: str) -> None:
    client = publisher(account.cloud.engine, f"like-{role}", put_events_of(account, role))

    assert may_publish(client, ("dropreel", "Video Generation Failed"))
    assert not may_publish(client, ("aws.s3.like", "Video Generation Failed"))
    assert not may_publish(client, ("dropreel", "Video Generation Requested"))
    assert not may_publish(client, ("dropreel", "Video Generation Failed"), ("dropreel", "Object Created"))
