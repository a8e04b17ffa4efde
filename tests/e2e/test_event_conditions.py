"""A policy may say which events its holder publishes: the corrected engine keeps to it, and the engine as shipped does not."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.cloud import REGION, Engine, running_engine
from tests.e2e.conftest import Account
from tests.e2e.roles import statements

PUBLISHERS = ("SubmitGeneration", "DeliverVideo", "ReportFailure", "SweepJobs")


@pytest.fixture(scope="module")
def shipped() -> Iterator[Engine]:
    """The engine without our corrections."""
    with running_engine({"ENGINE_AS_SHIPPED": "1"}) as engine:
        yield engine


def publisher(engine: Engine, name: str, statement: dict[str, Any]) -> Any:
    """Return the EventBridge client of a new user who may do what the statement says."""
    iam = engine.session().client("iam", endpoint_url=engine.endpoint_url)
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="publish", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    return session.client("events", endpoint_url=engine.endpoint_url)


def may_publish(client: Any, *entries: tuple[str, str]) -> bool:
    detail = json.dumps(
        {"data": {"job_id": "", "image": {"bucket": "none", "key": "none"}}}
    )  # others read the bus, too
    put = [{"Source": source, "DetailType": kind, "Detail": detail} for source, kind in entries]
    try:
        client.put_events(Entries=put)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
            raise
        return False
    return True


def put_events_of(account: Account, role: str) -> dict[str, Any]:
    _, _, document = statements(account, role)
    (statement,) = [one for one in document["Statement"] if one["Action"] == "events:PutEvents"]
    found: dict[str, Any] = statement
    return found


@pytest.mark.parametrize("role", PUBLISHERS)
def test_a_step_may_publish_our_events_and_no_others(account: Account, role: str) -> None:
    client = publisher(account.cloud.engine, f"like-{role}", put_events_of(account, role))

    assert may_publish(client, ("dropreel", "Video Generation Failed"))
    assert not may_publish(client, ("aws.s3.like", "Video Generation Failed"))
    assert not may_publish(client, ("dropreel", "Video Generation Requested"))
    assert not may_publish(client, ("dropreel", "Video Generation Failed"), ("dropreel", "Object Created"))


def test_the_engine_as_shipped_still_needs_its_correction(account: Account, shipped: Engine) -> None:
    client = publisher(shipped, "like-it", put_events_of(account, "SweepJobs"))

    assert not may_publish(client, ("dropreel", "Video Generation Failed")), (
        "the engine knows the conditions of PutEvents itself now: delete local/engine_event_conditions.py"
    )
