"""Many images at once through the local cloud, without and with faults: every one ends, none is paid twice."""

import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dropreel.adapters.job_table import JOB_ROW
from dropreel.domain.prices import PRICE_CENTS
from tests.e2e.conftest import Account

PRICE = PRICE_CENTS["fast", 5]
SUBMIT_CONCURRENCY = 5  # the template's default


def drop_many(account: Account, folder: str, number: int) -> list[str]:
    """Upload images, eight at a time; return their keys."""
    keys = [f"{folder}/{index:03d}.jpg" for index in range(number)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(account.put, keys))
    return keys


def table_of(account: Account, output: str) -> Any:
    """Return a table of the stack, as boto3's resource."""
    resource = account.stack.session.resource("dynamodb", endpoint_url=account.stack.endpoint_url)
    return resource.Table(account.stack.outputs[output])


def rows(account: Account, folder: str) -> list[dict[str, Any]]:
    """Return the jobs of a folder's images."""
    table = table_of(account, "JobsTableName")
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    while True:
        page = table.scan(**({"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else {}))
        jobs = (item for item in page["Items"] if item["row"] == JOB_ROW)
        found += [job for job in jobs if job["image"]["key"].startswith(f"{folder}/")]
        if "LastEvaluatedKey" not in page:
            return found


def wait_until_all_ended(
    account: Account, folder: str, number: int, seconds: float, *, sweeping: bool = False
) -> list[dict[str, Any]]:
    """Return the jobs once all have ended and their events are published. `sweeping`: the schedule is too slow for the test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        jobs = rows(account, folder)
        if len(jobs) == number and not any("waiting" in job for job in jobs):
            return jobs
        if sweeping:
            account.client("lambda").invoke(FunctionName=account.physical("SweepJobsFunction"), Payload=b"{}")
        time.sleep(2)
    raise AssertionError(
        f"after {seconds:.0f} s: {Counter((job['status'], job.get('waiting')) for job in rows(account, folder))}"
    )


def paid_by_image(account: Account, folder: str) -> Counter[str]:
    """Return how often the provider charged for each image of a folder."""
    paid = [one for one in account.simulator.submissions() if one["paid"]]
    keys = [
        one["request"]["image_url"].rpartition(f"/{folder}/")[2]
        for one in paid
        if f"/{folder}/" in one["request"]["image_url"]
    ]
    return Counter(keys)


def dead_letters(account: Account) -> int:
    """Return how many messages are in the dead-letter queue."""
    attributes = account.client("sqs").get_queue_attributes(
        QueueUrl=account.stack.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


def test_five_hundred_images_at_once_all_end_and_none_is_paid_twice(account: Account) -> None:
    busy = {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}
    account.simulator.set_faults([{"on": "submit", "probability": 0.1, "do": busy}])

    drop_many(account, "burst", 500)
    jobs = wait_until_all_ended(account, "burst", 500, seconds=540)

    assert Counter(job["status"] for job in jobs) == {"completed": 500}
    paid = paid_by_image(account, "burst")
    assert (len(paid), set(paid.values())) == (500, {1})
    assert account.simulator.summary()["max_in_flight"] <= SUBMIT_CONCURRENCY
    assert dead_letters(account) == 0


def kill_workers(account: Account, seconds: float, chance: random.Random) -> int:
    """Send SIGKILL to processes of the engine's functions, one after the other, for some seconds; return how many."""
    engine, killed, end = account.cloud.engine.process.pid, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        children = [int(pid) for pid in Path(f"/proc/{engine}/task/{engine}/children").read_text().split()]
        for thread in Path(f"/proc/{engine}/task").iterdir():
            children += (
                [int(pid) for pid in (thread / "children").read_text().split()] if thread.name != str(engine) else []
            )
        if children:
            os.kill(chance.choice(children), signal.SIGKILL)
            killed += 1
        time.sleep(0.4)
    return killed


def test_a_hundred_images_with_kills_duplicates_and_faults_all_end(account: Account) -> None:
    chance = random.Random(4711)
    account.simulator.set_faults(
        [
            {
                "on": "submit",
                "probability": 0.1,
                "do": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
            },
            {"on": "submit", "probability": 0.05, "do": {"kind": "status", "status": 500, "paid": True}},
            {"on": "submit", "probability": 0.05, "do": {"kind": "cut", "paid": True}},
            {"on": "submit", "probability": 0.03, "do": {"kind": "silence", "seconds": 35, "paid": False}},
            {"on": "submit", "probability": 0.05, "do": {"kind": "fail", "error": "it did not work"}},
            {"on": "poll", "probability": 0.1, "do": {"kind": "status", "status": 503}},
        ]
    )
    before = spent(account)

    keys = drop_many(account, "wild", 100)
    killed = kill_workers(account, 12, chance)
    duplicate(account, chance.sample(keys, 20))
    jobs = wait_until_all_ended(account, "wild", 100, seconds=500, sweeping=True)

    assert killed > 5
    paid = paid_by_image(account, "wild")
    attempts = {job["image"]["key"].rpartition("/")[2]: int(job["attempt"]) for job in jobs}
    assert all(count <= attempts[image] for image, count in paid.items()), paid
    ends = Counter(job["status"] for job in jobs)
    assert sum(ends.values()) == 100
    assert set(ends) <= {"completed", "failed", "unknown"}, ends
    unpaid_unknown = sum(
        job["status"] == "unknown" and paid[job["image"]["key"].rpartition("/")[2]] < int(job["attempt"])
        for job in jobs
    )
    assert spent(account) - before == PRICE * (sum(paid.values()) + unpaid_unknown)
    assert dead_letters(account) == 0


def duplicate(account: Account, keys: list[str]) -> None:
    """Send messages of jobs a second time: SQS delivers at least once."""
    jobs = {job["image"]["key"]: job for job in rows(account, "wild")}
    for key in keys:
        if key in jobs:
            job = jobs[key]
            body = f'{{"job_id": "{job["job_id"]}", "attempt": {job["attempt"]}, "requeues": {job["requeues"]}}}'
            account.client("sqs").send_message(QueueUrl=account.stack.outputs["QueueUrl"], MessageBody=body)


def spent(account: Account) -> int:
    """Return what is reserved on all days, in US cents."""
    days = table_of(account, "SpendTableName").scan()["Items"]
    return sum(int(day["reserved_cents"]) for day in days)
