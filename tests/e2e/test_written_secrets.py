"""No key and no signed address is in anything that a local run leaves behind. The last file: it searches what others left, too."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from dropreel.domain.job import Job, JobStatus
from local.cloud import API_KEY
from tests.e2e.conftest import Account
from tests.e2e.leftovers import Leftover, leftovers, secrets_in

REPEATED = "403 Client Error: Forbidden for url: {image_url} (Authorization: Bearer {api_key})"
WITHOUT_KEY = "403 Client Error: Forbidden for url: {image_url}"
SIGNED = (
    "https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=d0b3c1a2f4e5968778695a4b3c2d1e0f1a2b3c4d5e6f70819293a4b5c6d7e8f9"
)
ELSEWHERE = "https://10.1.2.3/v.mp4?expires=1893456000&signature=d0b3c1a2f4e5968778695a4b3c2d1e0f1a2b3c4d5e6f7081"
REFUSED = "https://127.0.0.1:9/v.mp4?expires=1893456000&signature=e1b3c1a2f4e5968778695a4b3c2d1e0f1a2b3c4d5e6f7081"
KNOWN = [API_KEY, *(address.rpartition("=")[2] for address in (SIGNED, ELSEWHERE, REFUSED))]


def _result(address: str) -> dict[str, str]:
    return {"kind": "result_url", "url": address}


ENDS: dict[str, tuple[list[dict[str, Any]], JobStatus]] = {
    "a refusal": ([{"on": "submit", "do": {"kind": "status", "status": 400, "body": REPEATED}}], JobStatus.REJECTED),
    "a bad key": ([{"on": "submit", "do": {"kind": "status", "status": 401, "body": REPEATED}}], JobStatus.DEFERRED),
    "a lost answer": ([{"on": "submit", "do": {"kind": "status", "status": 502, "body": REPEATED}}], JobStatus.UNKNOWN),
    "a failure": ([{"on": "submit", "do": {"kind": "fail", "error": {"message": WITHOUT_KEY}}}], JobStatus.FAILED),
    "bad polls": ([{"on": "poll", "times": 1, "do": {"kind": "status", "status": 500, "body": REPEATED}}], JobStatus.COMPLETED),
    "an expired address": ([{"on": "poll", "times": 2, "do": {"kind": "expired_url"}}], JobStatus.COMPLETED),
    "a private address": ([{"on": "poll", "skip": 1, "times": 1, "do": _result(ELSEWHERE)}], JobStatus.COMPLETED),
    "no connection": ([{"on": "poll", "skip": 1, "times": 1, "do": _result(REFUSED)}], JobStatus.COMPLETED),
    "a reset": ([{"on": "download", "times": 1, "do": {"kind": "reset", "after_bytes": 900}}], JobStatus.COMPLETED),
    "a redirect": ([{"on": "download", "times": 1, "do": {"kind": "redirect", "location": ELSEWHERE}}], JobStatus.COMPLETED),
}  # fmt: skip
"""What goes wrong for an image whose prompt has this name, and how its job ends or waits."""


def drop_all(account: Account) -> dict[str, str]:
    """Drop an image for each of ENDS, and one whose options hold a signed address; return their keys."""
    rules = [rule | {"when": {"prompt_contains": name}} for name, (rules, _) in ENDS.items() for rule in rules]
    account.simulator.set_faults(rules)
    keys = {name: account.new_key() for name in ENDS}
    for name, key in keys.items():
        account.put(key, metadata={"prompt": name})
    signed = account.new_key()
    account.client("events").put_events(
        Entries=[
            {
                "Source": "shop",
                "DetailType": "Video Generation Requested",
                "Detail": f'{{"image": {{"bucket": "{account.uploads}", "key": "{signed}"}}, "options": {{"prompt": "{SIGNED}"}}}}',
            }
        ]
    )
    return keys | {"a signed prompt": signed}


def has_come_to(status: JobStatus, job: Job) -> bool:
    return job.status is status and not job.pending_events


@contextmanager
def message_waiting(account: Account) -> Iterator[None]:
    """Keep a message in the submission queue until the block ends."""
    client, mapping = account.client("lambda"), account.physical("SubmitGenerationFunctionQueue")
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        account.put(account.new_key("waits.jpg"), metadata={"prompt": "waits"})
        end = time.monotonic() + 20
        queue = {"QueueUrl": account.stack.outputs["QueueUrl"], "AttributeNames": ["ApproximateNumberOfMessages"]}
        while account.client("sqs").get_queue_attributes(**queue)["Attributes"]["ApproximateNumberOfMessages"] == "0":
            assert time.monotonic() < end, "the message did not come"
            time.sleep(0.2)
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, Enabled=True)


def test_no_key_and_no_signed_address_is_left_anywhere(account: Account) -> None:
    keys = drop_all(account)
    for name, key in keys.items():
        status = ENDS[name][1] if name in ENDS else JobStatus.REJECTED
        account.job_when(key, partial(has_come_to, status))

    secrets = [*KNOWN, *account.simulator.secrets()]
    with message_waiting(account):
        found = list(leftovers(account))

    assert secrets_in(found, secrets) == []
    places = {leftover.place.partition(" ")[0] for leftover in found}
    assert places == {"log", "event", "item", "execution", "history", "message", "object", "function"}
    assert len(secrets) > len(ENDS)


def test_the_search_finds_a_part_a_key_and_a_form(account: Account) -> None:
    (secret, *_) = account.simulator.secrets()
    texts = [
        Leftover("log a", f"GET failed: {secret[20:40]}"),
        Leftover("log b", f"key {API_KEY}"),
        Leftover("log c", "https://h/v.mp4?expires=1&signature=0"),
        Leftover("log d", "nothing"),
    ]

    found = secrets_in(texts, [API_KEY, secret])

    assert {place.partition(":")[0] for place in found} == {"log a", "log b", "log c"}
