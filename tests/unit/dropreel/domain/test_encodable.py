"""An unpaired surrogate in any text from outside is refused or replaced, and never stops a step."""

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.adapters.items import values_of
from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.executions import EXECUTION_ENDED, decode_ended_execution, failure_reason
from dropreel.domain.job import JobStatus
from dropreel.domain.messages import decode_drop
from dropreel.domain.option_places import Place, resolve
from dropreel.domain.options import OPTION_NAMES, Options
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.provider.client import ProviderClient
from dropreel.provider.poll_answers import Finished, GenerationFailed, PollAnswer, PollFault
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack
from tests.support.sample_events import load_event
from tests.support.scripted_server import ScriptedServer

HALF = "\ud800"
HALVES = ["\ud800", "\udbff", "\udc00", "\udfff"]
BROKEN = st.tuples(st.text(max_size=6), st.sampled_from(HALVES), st.text(max_size=6)).map("".join)
ANY = st.lists(st.sampled_from(HALVES) | st.text(max_size=3), max_size=6).map("".join)
"""Unpaired surrogates and whole characters in any order."""


def as_received(value: Any) -> Any:
    """The value after it was sent as JSON, which keeps unpaired surrogates."""
    return json.loads(json.dumps(value))


def assert_can_be_written(stack: FakeStack, *more: Any) -> None:
    """Everything that a step writes can be encoded: jobs, events, receipts, messages."""
    left = [
        [asdict(job) for job in stack.database.jobs()],
        stack.bus.published,
        stack.videos.receipts,
        [message._asdict() for message, _delay in stack.queue.sent],
        *more,
    ]
    json.dumps(left, ensure_ascii=False, default=str).encode()


# --- the two functions -------------------------------------------------------------------------------------------------


@given(ANY)
def test_an_encodable_text_is_not_changed_a_second_time(text: str):
    made = encodable(text)

    made.encode()
    assert encodable(made) == made
    assert (made == text) is is_encodable(text)


@pytest.mark.parametrize("half", HALVES)
def test_an_unpaired_surrogate_becomes_a_replacement_character(half: str):
    assert encodable(f"a {half} face{half}") == "a \ufffd face\ufffd"


def test_a_surrogate_pair_becomes_its_character():
    assert encodable("\ud83d\ude00") == "\U0001f600"


@pytest.mark.parametrize("text", ["", "a", "é", "\U0001f600", "\ufeffa", "\ufffd", "\x00"])
def test_encodable_text_is_not_changed(text: str):
    assert encodable(text) is text


# --- an upload's event --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bucket", "key", "version-id", "etag", "sequencer"])
@settings(max_examples=20, deadline=None)
@given(text=BROKEN)
def test_an_upload_with_an_invalid_name_is_rejected_and_the_name_is_given(name: str, text: str):
    stack, event = FakeStack(), copy.deepcopy(load_event("object_created"))
    holder = event["detail"]["bucket"] if name == "bucket" else event["detail"]["object"]
    holder["name" if name == "bucket" else name] = text

    outcome = stack.run(decode_drop(as_received(event)))

    (job,) = stack.database.jobs()
    assert (outcome, stack.provider.sent) == ("rejected", [])
    assert job.reason is not None
    assert job.reason.code == "request_invalid"
    assert f"The event's {name} is not valid Unicode" in job.reason.message
    assert_can_be_written(stack)


# --- a request ----------------------------------------------------------------------------------------------------------


def requested(text: str) -> Iterator[dict[str, Any]]:
    """A valid request with the text in one of its fields, for every field."""
    image = {"bucket": "uploads", "key": "a.jpg"}
    yield from ({"image": {**image, name: text}} for name in ("bucket", "key", "version_id"))
    yield {"image": {**image, text: 1}}
    yield {"image": text}
    yield {"image": image, text: text}
    yield {"image": image, "request_id": text}
    yield {"image": image, "options": text}
    yield {"image": image, "options": [text]}
    yield {"image": image, "options": {text: text}}
    yield from ({"image": image, "options": {name: text}} for name in OPTION_NAMES)
    yield from ({"image": image, "options": {name: [{text: text}]}} for name in OPTION_NAMES)


@pytest.mark.parametrize("place", range(len([*requested(HALF)])))
@settings(max_examples=10, deadline=None)
@given(text=BROKEN)
def test_a_request_with_invalid_unicode_is_rejected(place: int, text: str):
    stack, event = FakeStack(), load_event("video_generation_requested")
    event["detail"] = [*requested(text)][place]

    outcome = stack.run(decode_drop(as_received(event)))

    (job,) = stack.database.jobs()
    assert (outcome, stack.provider.sent) == ("rejected", [])
    assert job.reason is not None
    assert job.reason.code in ("request_invalid", "options_invalid")
    assert_can_be_written(stack)


def test_an_event_id_with_invalid_unicode_is_replaced():
    event = {**load_event("video_generation_requested"), "id": f"e{HALF}"}
    del event["detail"]["request_id"]

    assert decode_drop(event).request_id == "e\ufffd"


# --- options in every place -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("half", HALVES)
def test_an_option_with_invalid_unicode_is_rejected_with_what_is_allowed(name: str, half: str):
    faults = resolve([Place("a.jpg.json", {name: f"a {half} face"})])

    assert isinstance(faults, list)
    (fault,) = faults
    assert (fault.place, fault.option) == ("a.jpg.json", name)
    assert "not valid Unicode" in fault.message
    assert "allowed is text that UTF-8 can encode" in fault.message


@given(BROKEN)
def test_an_unknown_option_with_invalid_unicode_gives_an_encodable_fault(name: str):
    faults = resolve([Place("a.jpg.json", {name: 1})])

    assert isinstance(faults, list)
    json.dumps([fault._asdict() for fault in faults], ensure_ascii=False).encode()


FILES = [f'{{"{name}": "a \\ud800 face"}}' for name in OPTION_NAMES]
FILES += [r'{"a\ud800": 1}', r'{"a\ud800": 1, "a\ud800": 2}', r'{"mode": {"a\udfff": ["\ud800"]}}']


@pytest.mark.parametrize("key", ["holiday/beach.jpg.json", "holiday/dropreel.json", "dropreel.json"])
@pytest.mark.parametrize("content", FILES)
def test_a_file_with_invalid_unicode_rejects_its_image(stack: FakeStack, key: str, content: str):
    stack.images.files[key] = content.encode()

    assert stack.run() == "rejected"

    assert stack.job.reason is not None
    assert stack.job.reason.message.startswith(f"{key}: ")
    assert stack.provider.sent == []
    assert_can_be_written(stack)


@pytest.mark.parametrize("name", OPTION_NAMES)
def test_metadata_with_invalid_unicode_rejects_its_image(stack: FakeStack, name: str):
    stack.image.metadata[name.replace("_", "-")] = f"a {HALF} face"

    assert stack.run() == "rejected"

    assert stack.job.reason is not None
    assert stack.job.reason.message.startswith(f"S3 metadata: {name} is 'a \\ud800 face'; ")
    assert_can_be_written(stack)


def test_metadata_that_is_not_an_option_can_have_any_value(stack: FakeStack):
    stack.image.metadata.update({"camera": HALF, HALF: "x"})

    assert stack.run() == "generating"
    assert_can_be_written(stack, stack.provider.sent)


# --- the provider's answers -----------------------------------------------------------------------------------------------

OPTIONS = Options("zoom in", "fast", "", "16:9", 5, 0.5, True)
IMAGE_URL = "https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Signature=5ec2e7f0a1b2c3d4"
SAID: dict[str, Any] = {
    "words": {"error": f"a {HALF} face"},
    "a code": {"error": {"code": HALF, "message": HALF}},
    "a name": {f"no{HALF}te": "too dark"},
    "an id": {"id": f"gen{HALF}"},
    "a status": {"id": "gen_1", "status": f"created{HALF}"},
    "a nested status": {"id": "gen_1", "status": {HALF: [HALF]}},
    "when to retry": {"error": "busy", "retry_after": f"3{HALF}", f"retry{HALF}after": 4},
    "a list": [HALF],
    "a text": HALF,
    "JSON in a text": {"error": '{"message": "a \\ud800 face"}'},
    "raw bytes": b'{"error": "a \xed\xa0\x80 face"}',
    "no JSON": b"a \xed\xa0\x80 face",
    "HTML": b"<html><p>a &#xD800; face</p></html>",
    "UTF-7": b"a +2AA- face",
}
STATUSES = [200, 202, 302, 400, 401, 402, 403, 404, 408, 422, 429, 500, 503]


def charset_of(what: str) -> dict[str, str]:
    return {"Content_Type": "text/plain; charset=utf-7"} if what == "UTF-7" else {}


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize("status", STATUSES)
def test_a_submit_response_with_invalid_unicode_is_handled_as_any_other(
    stack: FakeStack, server: ScriptedServer, status: int, what: str
):
    server.answers(status, SAID[what], Retry_After="30", **charset_of(what))
    answer = ProviderClient(server.base_url, lambda: "nh-secret-5f1d").prepare(OPTIONS, IMAGE_URL).send()
    stack.provider.submit_answer = answer

    stack.run()

    json.dumps(asdict(answer), ensure_ascii=False).encode()
    assert stack.job.status in JobStatus
    assert stack.job.status is not JobStatus.SUBMITTING
    assert_can_be_written(stack)


POLLED: list[dict[str, Any]] = [
    {"status": "failed", "error": f"a {HALF} face"},
    {"status": "failed", HALF: {"message": HALF}, "message": HALF},
    {"status": HALF, "error": HALF},
    {"status": [HALF]},
    {"status": "processing", "id": HALF},
    {"status": "completed", "result": {"url": f"https://cdn.example/{HALF}.mp4"}},
    {"status": "completed", "result": {"url": f"https://{HALF}.example/v.mp4"}},
    {"status": "completed", "result": {HALF: HALF}},
]


def polled(server: ScriptedServer, status: int, body: Any, **headers: str) -> PollAnswer:
    server.answers(status, body, **headers)
    return ProviderClient(server.base_url, lambda: "nh-secret-5f1d").poll("gen_1")


def assert_goes_on_from(stack: FakeStack, answer: PollAnswer) -> None:
    stack.put_job()
    stack.provider.poll_answer = answer
    checked = stack.check.run(GENERATION)
    stack.report.run(
        GENERATION, failure_reason({"check": {"reason": {"code": "check_failed", "message": "m"}, **checked}})
    )
    assert_can_be_written(stack, checked, asdict(answer))


@pytest.mark.parametrize("body", POLLED)
def test_a_poll_response_with_invalid_unicode_stops_no_step(
    stack: FakeStack, server: ScriptedServer, body: dict[str, Any]
):
    answer = polled(server, 200, body)

    assert isinstance(answer, GenerationFailed if body["status"] == "failed" else PollFault)
    assert_goes_on_from(stack, answer)


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize("status", [401, 404, 429, 500])
def test_a_poll_error_with_invalid_unicode_stops_no_step(
    stack: FakeStack, server: ScriptedServer, status: int, what: str
):
    assert_goes_on_from(stack, polled(server, status, SAID[what], **charset_of(what)))


def test_a_result_url_with_invalid_unicode_is_polled_again(server: ScriptedServer):
    broken = polled(server, 200, {"status": "completed", "result": {"url": f"https://cdn.example/{HALF}.mp4"}})
    good = polled(server, 200, {"status": "completed", "result": {"url": "https://cdn.example/é.mp4"}})

    assert broken == PollFault("the provider says completed and its result.url is not valid Unicode", 200)
    assert good == Finished("https://cdn.example/é.mp4")


# --- text from Step Functions and the tables ------------------------------------------------------------------------------


@given(ANY, ANY, st.sampled_from(["completed", "waiting"]))
def test_a_cause_with_invalid_unicode_is_reported_with_replacements(error_type: str, message: str, outcome: str):
    for cause in (message, json.dumps({"errorType": error_type, "errorMessage": message})):
        reason = failure_reason({"check": {"outcome": outcome}, "error": {"Error": "e", "Cause": cause}})

        json.dumps(reason.as_json(), ensure_ascii=False).encode()


@given(BROKEN)
def test_an_execution_cause_with_invalid_unicode_has_replacements(text: str):
    stack = FakeStack()
    stack.put_job(status=JobStatus.GENERATING, generation_id="gen_1")
    stack.state_machine.executions[f"{JOB_ID}-1"] = "gen_1"
    stack.state_machine.statuses[f"{JOB_ID}-1"] = "FAILED"
    detail = {"name": f"{JOB_ID}-1", "executionArn": f"arn:{JOB_ID}-1", "status": "FAILED", "cause": text}
    ended = decode_ended_execution(as_received({"detail-type": EXECUTION_ENDED, "detail": detail}))
    assert ended is not None

    assert stack.report.execution_ended(ended) == {"outcome": "failed"}

    json.dumps(ended._asdict(), ensure_ascii=False).encode()
    assert_can_be_written(stack)


@given(ANY)
def test_text_read_from_a_table_can_be_encoded(text: str):
    item = {"reason": {"M": {"message": {"S": text}}}, "warnings": {"L": [{"S": text}]}}

    json.dumps(values_of(item), ensure_ascii=False).encode()


@given(ANY)
def test_every_reason_can_be_encoded(text: str):
    reason = Reason(ReasonCode.WATCH_ENDED, text, (text,), provider_error=text)

    json.dumps(reason.as_json(), ensure_ascii=False).encode()
