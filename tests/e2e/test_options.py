"""Every option with good and bad values from every place, through the whole local cloud, as docs/options.md describes it."""

import base64
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from dropreel.domain.prices import PRICE_CENTS, usd
from tests.e2e.conftest import SAMPLE, Account

REJECTED = "Video Generation Rejected"
DEFAULTS = {
    "prompt": "Slow cinematic zoom in, gentle natural motion, steady camera",
    "mode": "fast",
    "aspect_ratio": "16:9",
    "duration": 5,
    "cfg_scale": 0.5,
    "sound": True,
}
LONGEST = "é" * 2500

# Options as JSON, in a sidecar -> what differs from DEFAULTS in the provider's request. One image takes several options
# where they do not touch each other, since each good row is a video to render.
GOOD_JSON: dict[str, tuple[bytes, dict[str, Any]]] = {
    "lower ends": (
        b'{"prompt": "a", "negative_prompt": "", "mode": "fast", "aspect_ratio": "1:1", "cfg_scale": 0, "sound": true}',
        {"prompt": "a", "aspect_ratio": "1:1", "cfg_scale": 0},
    ),
    "upper ends": (
        json.dumps({"prompt": LONGEST, "negative_prompt": LONGEST, "aspect_ratio": "9:16", "cfg_scale": 1}).encode(),
        {"prompt": LONGEST, "negative_prompt": LONGEST, "aspect_ratio": "9:16", "cfg_scale": 1},
    ),
    "most expensive": (
        b'{"mode": "hq", "duration": 10, "sound": false}',
        {"mode": "hq", "duration": 10, "sound": False},
    ),
    "in between": (
        '{"prompt": "  pan left: 😀 “桜”  ", "aspect_ratio": "16:9", "duration": 5.0, "cfg_scale": 0.123456789}'.encode(),
        {"prompt": "pan left: 😀 “桜”", "cfg_scale": 0.123456789},
    ),
    "auto": (b'{"aspect_ratio": "auto", "duration": 1e1}', {"duration": 10}),
    "no option": (b"{}", {}),
    "byte order mark": (b'\xef\xbb\xbf{"negative_prompt": "blur"}', {"negative_prompt": "blur"}),
    "largest file": (b'{"negative_prompt": "fog"}'.ljust(64_000), {"negative_prompt": "fog"}),
}

# S3 metadata -> the same.
GOOD_METADATA: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "hyphens": (
        {"negative-prompt": "blur", "aspect-ratio": "9:16", "cfg-scale": ".25", "sound": "False"},
        {"negative_prompt": "blur", "aspect_ratio": "9:16", "cfg_scale": 0.25, "sound": False},
    ),
    "underscores and case": (
        {"Negative_Prompt": "blur", "ASPECT_RATIO": "1:1", "Cfg_Scale": "1", "Sound": "TRUE", "Duration": "10.0"},
        {"negative_prompt": "blur", "aspect_ratio": "1:1", "cfg_scale": 1, "duration": 10},
    ),
    "encoded words": (
        {"prompt": f"=?utf-8?B?{base64.b64encode('ゆっくり、桜'.encode()).decode()}?="},
        {"prompt": "ゆっくり、桜"},
    ),
    "unknown names": ({"camera": "X100", "promt": "not ours", "mode": "fast"}, {}),
}

# option, its value as JSON -> what the message says behind the option's name and value.
TEXT, ONE_LINE = "it must be text", "write it on one line without control characters"
MODES, RATIOS = "allowed are fast, hq", "allowed are 16:9, 9:16, 1:1, auto"
SECONDS, SCALE = "allowed are 5 and 10 (seconds)", "allowed is 0 to 1"
UNQUOTED = "allowed are true and false, without quotes"
BAD_JSON: list[tuple[str, str, str]] = [
    ("prompt", '""', "is ''; it must not be empty"),
    ("prompt", '"   "', "is '   '; it must not be empty"),
    ("prompt", "null", f"is None; {TEXT}"),
    ("prompt", "7", f"is 7; {TEXT}"),
    ("prompt", f'"{"x" * 2501}"', "it has 2,501 characters, at most 2,500 are allowed"),
    ("prompt", r'"two\nlines"', f"it contains the control character U+000A; {ONE_LINE}"),
    ("prompt", r'"a\u0000b"', f"it contains the control character U+0000; {ONE_LINE}"),
    (
        "prompt",
        r'"\ud83d"',
        "it is not valid Unicode: it contains an unpaired surrogate; allowed is text that UTF-8 can encode",
    ),
    ("negative_prompt", '["blur"]', f"is ['blur']; {TEXT}"),
    ("negative_prompt", r'"tab\there"', f"it contains the control character U+0009; {ONE_LINE}"),
    ("negative_prompt", f'"{"x" * 2501}"', "it has 2,501 characters, at most 2,500 are allowed"),
    ("mode", '"HQ"', f"is 'HQ'; {MODES}; did you mean hq?"),
    ("mode", '"best"', f"is 'best'; {MODES}"),
    ("mode", "true", f"is True; {MODES}"),
    ("aspect_ratio", '"4:3"', f"is '4:3'; {RATIOS}"),
    ("aspect_ratio", '"16x9"', f"is '16x9'; {RATIOS}; did you mean 16:9?"),
    ("aspect_ratio", "1.78", f"is 1.78; {RATIOS}"),
    ("duration", "7", f"is 7; {SECONDS}"),
    ("duration", "5.5", f"is 5.5; {SECONDS}"),
    ("duration", '"5"', f"is '5'; it must be a number; {SECONDS}"),
    ("duration", "true", f"is True; it must be a number; {SECONDS}"),
    ("duration", "1e999", f"is inf; it must be a finite number; {SECONDS}"),
    ("cfg_scale", "1.01", f"is 1.01; {SCALE}"),
    ("cfg_scale", "-0.1", f"is -0.1; {SCALE}"),
    ("cfg_scale", '"0.5"', f"is '0.5'; it must be a number; {SCALE}"),
    ("sound", '"false"', f"is 'false'; {UNQUOTED}"),
    ("sound", "0", f"is 0; {UNQUOTED}"),
    ("promt", '"pan"', "there is no option 'promt' (did you mean prompt?); allowed are prompt, mode,"),
    ("image_url", '"https://example.com/a.jpg"', "there is no option 'image_url'; allowed are prompt, mode,"),
]

# option, its value as text in S3 metadata -> the same.
BAD_METADATA: list[tuple[str, str, str]] = [
    ("prompt", "=?utf-8?B?ICAg?=", "is '   '; it must not be empty"),
    ("prompt", "=?utf-8?B?YQpi?=", f"is 'a\\nb'; it contains the control character U+000A; {ONE_LINE}"),
    ("mode", "slow", f"is 'slow'; {MODES}"),
    ("aspect-ratio", "Auto", f"is 'Auto'; {RATIOS}; did you mean auto?"),
    ("duration", "7", f"is '7'; {SECONDS}"),
    ("duration", "5s", f"is '5s'; it must be a number such as 5 or 0.5; {SECONDS}"),
    ("cfg-scale", "2", f"is '2'; {SCALE}"),
    ("cfg-scale", "0,5", f"is '0,5'; it must be a number such as 5 or 0.5; {SCALE}"),
    ("sound", "no", "is 'no'; allowed are true and false"),
]

# The content of a sidecar that is invalid as a whole -> what the message says.
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"prompt: pan left", "it is not JSON (line 1, column 1:"),
    "empty": (b"", "it is not JSON (line 1, column 1:"),
    "a list": (b'["pan left"]', "it must hold one JSON object such as"),
    "a name twice": (b'{"mode": "hq", "mode": "fast"}', "'mode' appears twice"),
    "NaN": (b'{"cfg_scale": NaN}', "NaN is not a JSON number"),
    "not UTF-8": ('{"prompt": "näher"}'.encode("latin-1"), "it is not UTF-8 text (byte 13)"),
    "too large": (b"{}".ljust(64_001), "it is larger than 64,000 bytes"),
    "too deep": (b'{"mode": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", "it is not usable JSON"),
}


def _good_key(name: str) -> str:
    return f"options/good/{name.replace(' ', '-')}.jpg"


def _metadata_key(name: str) -> str:
    return f"options/metadata/{name.replace(' ', '-')}.jpg"


def _bad_keys(place: str, rows: list[tuple[str, str, str]]) -> list[str]:
    return [f"options/bad-{place}/{number}-{row[0]}.jpg" for number, row in enumerate(rows)]


BAD_JSON_KEYS, BAD_METADATA_KEYS = _bad_keys("json", BAD_JSON), _bad_keys("metadata", BAD_METADATA)
BAD_FILE_KEYS = {name: f"options/bad-file/{name.replace(' ', '-')}.jpg" for name in BAD_FILES}


@pytest.fixture(scope="module", autouse=True)
def dropped(account: Account, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything that the tables above hold, uploaded at once, so that no row waits for another."""
    tree = tmp_path_factory.mktemp("tree")
    sidecars = {_good_key(name): content for name, (content, _) in GOOD_JSON.items()}
    for key, (option, value, _) in zip(BAD_JSON_KEYS, BAD_JSON, strict=True):
        sidecars[key] = f'{{"{option}": {value}}}'.encode()
    sidecars |= {BAD_FILE_KEYS[name]: content for name, (content, _) in BAD_FILES.items()}
    for key, content in sidecars.items():
        image = tree / key
        image.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE, image)
        Path(f"{image}.json").write_bytes(content)
    root = f"s3://{account.uploads}"
    account.aws("s3", "sync", "--quiet", str(tree), root, "--exclude", "*", "--include", "*.json")
    account.aws("s3", "sync", "--quiet", str(tree), root, "--exclude", "*.json")
    for name, (metadata, _) in GOOD_METADATA.items():
        account.put(_metadata_key(name), metadata=metadata)
    for key, (option, value, _) in zip(BAD_METADATA_KEYS, BAD_METADATA, strict=True):
        account.put(key, metadata={option: value})


def _sent(account: Account, key: str) -> list[dict[str, Any]]:
    """Return the image's requests to the provider, without the presigned address."""
    requests = [submission["request"] for submission in account.submitted(key)]
    return [{name: value for name, value in request.items() if name != "image_url"} for request in requests]


def _rejected(account: Account, key: str, code: str = "options_invalid") -> list[str]:
    """Return the messages of the image's rejection; assert that nothing was spent on it."""
    data: dict[str, Any] = account.tail.wait_for(key, REJECTED)["detail"]["data"]
    assert (data["status"], data["charge"], data["cost_usd"]) == ("rejected", "none", 0)
    assert data["reason"]["code"] == code
    assert data["reason"]["message"] == " ".join(data["reason"]["messages"])
    assert account.ended(key).status is JobStatus.REJECTED
    assert account.submitted(key) == []
    messages: list[str] = data["reason"]["messages"]
    return messages


def _receipt(account: Account, job: Job) -> dict[str, Any]:
    assert job.video is not None, job
    assert job.video.receipt_key == job.video.key.removesuffix(".mp4") + ".json"
    stored = account.client("s3").get_object(Bucket=account.videos, Key=job.video.receipt_key)
    receipt: dict[str, Any] = json.loads(stored["Body"].read())
    return receipt


def _request(account: Account, *details: dict[str, Any]) -> None:
    """Put requests on the bus as another service would."""
    entries = [
        {"Source": "my.shop", "DetailType": "Video Generation Requested", "Detail": json.dumps(one)} for one in details
    ]
    answer = account.aws("events", "put-events", "--entries", json.dumps(entries))
    assert answer["FailedEntryCount"] == 0


def _next_job(account: Account, key: str, known: list[Job]) -> Job:
    """Return the job that is not among those known, once it has ended."""
    ids = {job.job_id for job in known}
    return account.job_when(key, lambda job: job.job_id not in ids and job.is_terminal and not job.pending_events)


@pytest.mark.parametrize(("key", "row"), list(zip(BAD_JSON_KEYS, BAD_JSON, strict=True)), ids=BAD_JSON_KEYS)
def test_a_bad_value_in_a_sidecar_is_reported_and_costs_nothing(
    account: Account, key: str, row: tuple[str, str, str]
) -> None:
    option, _, expected = row

    (message,) = _rejected(account, key)

    name = "" if expected.startswith("there is no") else f"{option} "
    assert message.startswith(f"{key}.json: {name}")
    assert expected in message


@pytest.mark.parametrize(("key", "row"), list(zip(BAD_METADATA_KEYS, BAD_METADATA, strict=True)), ids=BAD_METADATA_KEYS)
def test_a_bad_value_in_metadata_is_reported_and_costs_nothing(
    account: Account, key: str, row: tuple[str, str, str]
) -> None:
    option, _, expected = row

    end = "" if expected.endswith("?") else "."
    assert _rejected(account, key) == [f"S3 metadata: {option.replace('-', '_')} {expected}{end}"]


@pytest.mark.parametrize("name", BAD_FILES)
def test_an_invalid_sidecar_is_reported_and_costs_nothing(account: Account, name: str) -> None:
    (message,) = _rejected(account, BAD_FILE_KEYS[name])

    assert message.startswith(f"{BAD_FILE_KEYS[name]}.json: ")
    assert BAD_FILES[name][1] in message


@pytest.mark.parametrize("name", GOOD_JSON)
def test_the_options_of_a_sidecar_reach_the_provider(account: Account, name: str) -> None:
    job = account.ended(_good_key(name))

    assert job.status is JobStatus.COMPLETED, job
    assert _sent(account, _good_key(name)) == [DEFAULTS | GOOD_JSON[name][1]]


@pytest.mark.parametrize("name", GOOD_METADATA)
def test_the_options_of_metadata_reach_the_provider(account: Account, name: str) -> None:
    job = account.ended(_metadata_key(name))

    assert job.status is JobStatus.COMPLETED, job
    assert _sent(account, _metadata_key(name)) == [DEFAULTS | GOOD_METADATA[name][1]]


def test_the_receipt_has_each_option_and_its_source(account: Account) -> None:
    key = _good_key("most expensive")

    receipt = _receipt(account, account.ended(key))

    ours = {"mode": "hq", "duration": 10, "sound": False}
    rest = {name: value for name, value in {**DEFAULTS, "negative_prompt": ""}.items() if name not in ours}
    assert receipt["options"] == {
        **{name: {"value": value, "from": f"{key}.json"} for name, value in ours.items()},
        **{name: {"value": value, "from": "stack parameters"} for name, value in rest.items()},
    }
    assert receipt["cost_usd"] == float(usd(PRICE_CENTS["hq", 10]))
    assert receipt["warnings"] == []


@pytest.fixture
def bucket_folder_file(account: Account) -> Iterator[dict[str, Any]]:
    """The bucket's own `dropreel.json`, deleted at the end: it applies to every other image, too."""
    every = {"prompt": "bucket", "negative_prompt": "bucket", "cfg_scale": 0.4, "sound": True, "duration": 10}
    yield {**every, "aspect_ratio": "1:1"}
    account.client("s3").delete_object(Bucket=account.uploads, Key="dropreel.json")


def test_each_option_comes_from_the_most_specific_place(
    account: Account, tmp_path: Path, bucket_folder_file: dict[str, Any]
) -> None:
    key = account.new_key("near/image.jpg")
    folder = key.removesuffix("/near/image.jpg")
    above = {"prompt": "above", "negative_prompt": "above", "cfg_scale": 0.3, "sound": True, "duration": 5}
    near = {"prompt": "near", "negative_prompt": "near", "cfg_scale": 0.2, "sound": False}
    files = {
        f"{key}.json": {"prompt": "sidecar", "negative_prompt": "sidecar", "cfg_scale": 0.1},
        f"{folder}/near/dropreel.json": near,
        f"{folder}/dropreel.json": above,
        "dropreel.json": bucket_folder_file,
    }
    for name, options in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(options))
    account.aws("s3", "sync", "--quiet", str(tmp_path), f"s3://{account.uploads}")
    account.aws("s3api", "put-object", "--bucket", account.uploads, "--key", key, "--body", str(SAMPLE),
                "--metadata", "prompt=metadata,negative-prompt=metadata")  # fmt: skip
    image = {"bucket": account.uploads, "key": key}
    upload = account.ended(key)
    _request(account, {"image": image, "options": {"prompt": "request"}, "request_id": "r-1"})

    requested = _next_job(account, key, [upload])

    places = {
        "prompt": ("request", "request"),
        "negative_prompt": ("metadata", "S3 metadata"),
        "cfg_scale": (0.1, f"{key}.json"),
        "sound": (False, f"{folder}/near/dropreel.json"),
        "duration": (5, f"{folder}/dropreel.json"),
        "aspect_ratio": ("1:1", "dropreel.json"),
        "mode": ("fast", "stack parameters"),
    }
    expected = {name: value for name, (value, _) in places.items()}
    assert _sent(account, key) == [{**expected, "prompt": "metadata"}, expected]
    assert _receipt(account, requested)["options"] == {
        name: {"value": value, "from": place} for name, (value, place) in places.items()
    }
    assert upload.option_sources == {**{name: place for name, (_, place) in places.items()}, "prompt": "S3 metadata"}


def test_every_fault_of_every_place_is_reported_at_once(account: Account) -> None:
    key = account.new_key()
    folder = key.rpartition("/")[0]
    account.put(f"{key}.json", b'{"mode": "hd", "lenght": 5}')
    account.put(f"{folder}/dropreel.json", b'{"mode": "fast"')
    account.put(key, metadata={"duration": "7", "sound": "maybe"})

    messages = _rejected(account, key)

    faults = [message.split(";")[0] for message in messages]
    assert sorted(faults) == sorted(
        [
            "S3 metadata: duration is '7'",
            "S3 metadata: sound is 'maybe'",
            f"{key}.json: mode is 'hd'",
            f"{key}.json: there is no option 'lenght'",
            f"{folder}/dropreel.json: it is not JSON (line 1, column 16: Expecting ',' delimiter).",
        ]
    )


def test_an_invalid_image_is_reported_with_its_bad_options(account: Account) -> None:
    key = account.new_key("notes.jpg")
    account.put(key, b"milk, bread, eggs\n", metadata={"duration": "7"})

    messages = _rejected(account, key, "image_format")

    assert len(messages) == 2
    assert "duration is '7'" in messages[1]


def test_invalid_requests_are_rejected_with_every_fault(account: Account) -> None:
    key = account.new_key()
    ours = {"bucket": account.uploads, "key": f"{key}/nothing-here.jpg"}
    wrong = {"bucket": account.uploads, "key": f"{key}/wrong.jpg", "etag": "x"}
    bad = {"bucket": account.uploads, "key": _metadata_key("unknown names")}
    account.ended(bad["key"])

    _request(
        account,
        {"image": ours},
        {"image": wrong, "options": ["hq"], "webhook": "x"},
        {"image": bad, "options": {"duration": "10", "size": 4}, "request_id": "bad-options"},
    )

    _rejected(account, ours["key"], "image_missing")
    assert len(_rejected(account, wrong["key"], "request_invalid")) == 3
    reason = account.tail.wait_for(bad["key"], REJECTED)["detail"]["data"]["reason"]
    assert reason["code"] == "options_invalid"
    assert [message.split(";")[0] for message in reason["messages"]] == [
        "request: duration is '10'",
        "request: there is no option 'size'",
    ]
    assert len(_sent(account, bad["key"])) == 1


def test_the_same_request_id_twice_is_one_job_and_one_payment(account: Account) -> None:
    key = _metadata_key("encoded words")
    upload = account.ended(key)
    request = {"image": {"bucket": account.uploads, "key": key}, "request_id": "order-1"}
    _request(account, request)
    first = _next_job(account, key, [upload])

    _request(account, request, request, {**request, "request_id": "order-2"})
    _next_job(account, key, [upload, first])
    _wait_until_idle(account)

    assert len(account.jobs_of(key)) == 3
    assert [submission["paid"] for submission in account.submitted(key)] == [True, True, True]


@pytest.mark.parametrize(
    ("sidecar", "fault"),
    [
        (json.dumps({f"name{number}": 1 for number in range(4000)}).encode(), "there is no option 'name0'"),
        (b'{"\\ud83d": 1, "\\ud83d": 2}', "appears twice"),
    ],
    ids=["thousands of faults", "a name that is no text twice"],
)
def test_thousands_of_faults_and_names_that_are_no_text_are_reported(
    account: Account, sidecar: bytes, fault: str
) -> None:
    key = account.new_key()
    account.put(f"{key}.json", sidecar)
    account.put(key)

    data = account.tail.wait_for(key, REJECTED, seconds=8)["detail"]["data"]

    assert data["reason"]["code"] == "options_invalid"
    assert fault in data["reason"]["message"]


def test_a_number_near_zero_ends_in_an_outcome(account: Account) -> None:
    key = account.new_key()
    account.put(f"{key}.json", b'{"cfg_scale": 1e-200}')
    account.put(key)

    job = account.ended(key, seconds=8)

    assert job.status in (JobStatus.COMPLETED, JobStatus.REJECTED)


def _waiting(account: Account, output: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = account.client("sqs").get_queue_attributes(
        QueueUrl=account.stack.outputs[output], AttributeNames=names
    )["Attributes"]
    return sum(int(attributes[name]) for name in names)


def _wait_until_idle(account: Account, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while _waiting(account, "QueueUrl"):
        assert time.monotonic() < end, "a message stays in the queue: a function fails on it again and again"
        time.sleep(0.2)


def test_no_message_stays_in_a_queue(account: Account) -> None:
    _wait_until_idle(account)

    assert _waiting(account, "DeadLetterQueueUrl") == 0
