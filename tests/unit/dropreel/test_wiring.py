"""How a function starts."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropreel import wiring
from dropreel.domain.errors import SettingsError
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.spending import SpendLimit
from dropreel.provider.poll_answers import PollFault
from dropreel.provider.submit_answers import NotSent
from tests.support.operator_decisions import resume_job, settle_unknown
from tests.support.sample_jobs import OPTIONS
from tests.unit.template.resolved import variables

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "JOBS_TABLE_NAME": "jobs",
    "API_KEY_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key",
    "API_BASE_URL": "https://api.example",
    "REHEARSAL": "false",
    "GENERATION_TIMEOUT_MINUTES": "30",
    "STACK_NAME": "shop",
}

SUBMITTING = {
    "SPEND_TABLE_NAME": "spend",
    "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/queue",
    "PREPARE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/prepare",
    "PREPARE_IMAGES": "when-needed",
    "PRICES_USD": "fast-5=0.47 fast-10=0.94 hq-5=0.94 hq-10=1.87",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:machine",
    "DAILY_SPEND_LIMIT_USD": "50",
    "MAX_ATTEMPTS": "2",
    "AMBIGUOUS_SUBMIT_POLICY": "park",
    "IMAGE_BUCKET_NAMES": "uploads,pictures",
    "EXISTING_UPLOADS_BUCKET_NAME": "pictures",
    "UPLOADS_PREFIX": "shop/",
    "EVENT_BUS_NAME": "orders",
    **{f"DEFAULT_{name.upper()}": "x" for name in OPTION_NAMES},
}


@pytest.fixture(autouse=True)
def a_new_process() -> Iterator[None]:
    yield
    for thing in vars(wiring).values():
        if hasattr(thing, "cache_clear"):
            thing.cache_clear()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("settings")
def test_a_use_case_is_built_once():
    first = wiring.check_status()

    assert wiring.check_status() is first


@pytest.mark.usefixtures("settings")
def test_a_use_case_is_not_built_without_its_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JOBS_TABLE_NAME")

    with pytest.raises(SettingsError):
        wiring.check_status()


@pytest.mark.usefixtures("settings")
def test_all_clients_come_from_one_session():
    first, second = wiring._client("s3"), wiring._client("dynamodb")

    assert wiring._client("s3") is first
    assert first.meta.events is not second.meta.events
    assert wiring._session.cache_info().misses == 1


@pytest.mark.usefixtures("settings")
def test_the_secret_is_read_with_our_time_outs():
    polled: Any = wiring.check_status().provider
    key = polled.provider.api_key

    config = key.secrets().client.meta.config
    assert key.secret_arn == ENVIRONMENT["API_KEY_SECRET_ARN"]
    assert (config.connect_timeout, config.read_timeout) == (3, 10)
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_an_image_is_presigned_for_its_own_region_with_todays_signature(monkeypatch: pytest.MonkeyPatch, region: str):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    url = wiring._client("s3").generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "a.jpg"})

    assert url.startswith(f"https://uploads.s3.{region}.amazonaws.com/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256")


@pytest.mark.usefixtures("settings")
def test_a_local_s3_on_an_ip_has_the_bucket_in_the_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")

    url = wiring._client("s3").generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "a.jpg"})

    assert url.startswith("http://127.0.0.1:4566/uploads/a.jpg?")


def words_of_check_status(code: str) -> list[str]:
    """Return the words that a new process prints in which the handler of Check Status can be imported."""
    paths = f"{ROOT / 'functions' / 'check_status'}:{ROOT / 'layers' / 'dropreel'}"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split()


def test_a_function_is_ready_when_imported_and_imports_no_other_step():
    code = (
        "import sys, handler; from dropreel import wiring as w; print(w.check_status.cache_info().misses, *sys.modules)"
    )

    built, *modules = words_of_check_status(code)
    assert built == "1"
    steps = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert {name for name in steps if f"dropreel.use_cases.{name}" in modules} == {"check_status"}


@pytest.mark.usefixtures("settings")
def test_a_step_knows_its_stack_and_where_images_may_be(monkeypatch: pytest.MonkeyPatch):
    for name, value in SUBMITTING.items():
        monkeypatch.setenv(name, value)

    step: Any = wiring.submit_generation()

    assert (step.publisher.bus.bus, step.publisher.bus.stack) == ("orders", "shop")
    assert (step.count.__self__.stack, step.unknown.count.__self__.stack) == ("shop", "shop")
    assert (step.publisher.measure.__name__, step.publisher.measure.__self__.stack) == ("measure", "shop")
    assert step.validator.allowed_buckets == {"uploads", "pictures"}
    assert step.validator.key_prefixes == {"pictures": "shop/"}
    assert (step.queue.url, step.prepare_queue.url) == (SUBMITTING["QUEUE_URL"], SUBMITTING["PREPARE_QUEUE_URL"])


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("choice", "prepares"), [("when-needed", True), ("never", False)])
def test_the_validator_prepares_images_where_the_owner_wants_it(monkeypatch: pytest.MonkeyPatch, choice, prepares):
    for name, value in {**SUBMITTING, "PREPARE_IMAGES": choice}.items():
        monkeypatch.setenv(name, value)

    step: Any = wiring.submit_generation()

    assert step.validator.prepares is prepares


@pytest.mark.usefixtures("settings")
def test_prepare_image_writes_to_its_bucket_and_sends_the_job_on(monkeypatch: pytest.MonkeyPatch):
    for name in ("QUEUE_URL", "EVENT_BUS_NAME"):
        monkeypatch.setenv(name, SUBMITTING[name])
    monkeypatch.setenv("PREPARED_BUCKET_NAME", "prepared")

    step: Any = wiring.prepare_image()

    assert (step.prepared.bucket, step.queue.url) == ("prepared", SUBMITTING["QUEUE_URL"])
    assert step.prepare_picture.__module__ == "dropreel.adapters.imaging"
    assert not {"ledger", "provider"} & set(vars(step))


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("step", sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py")))
def test_each_function_has_every_setting_that_its_step_is_wired_from(monkeypatch: pytest.MonkeyPatch, step: str):
    asked_for = {"NotificationEmail": "operator@example.com", "WebhookUrl": "https://hooks.example.com"}
    given = variables(f"{step.title().replace('_', '')}Function", **asked_for)
    handler = (ROOT / "functions" / step / "handler.py").read_text(encoding="utf-8")
    (wired,) = re.findall(r"^from dropreel\.wiring import (.+)$", handler, re.MULTILINE)
    for name in ENVIRONMENT:
        if not name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    made = [getattr(wiring, name)() for name in wired.split(", ")]

    assert step in wired
    assert [type(use_case).__name__ for use_case in made][-1] == step.title().replace("_", "")
    if step not in ("send_mail", "send_webhook"):  # they know no job but that of their event
        assert {"JOBS_TABLE_NAME", "STACK_NAME"} <= set(given)
    assert ("PRICES_USD" in given) == (step in ("submit_generation", "sweep_jobs"))  # read at its first use


@pytest.mark.usefixtures("settings")
def test_what_writes_to_both_tables_and_queues_knows_which_is_which(monkeypatch: pytest.MonkeyPatch):
    for name, value in SUBMITTING.items():
        monkeypatch.setenv(name, value)
    dead_letters = SUBMITTING["QUEUE_URL"].replace("queue", "dead-letters")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead_letters)
    monkeypatch.setenv("RETRY_CONTENT_REFUSALS", "true")

    steps: list[Any] = [wiring.sweep_jobs(), settle_unknown(), resume_job()]
    sweep, settle, resume = steps

    assert (sweep.jobs.table, sweep.ledger.jobs_table, sweep.ledger.spend_table) == ("jobs", "jobs", "spend")
    assert (sweep.queue.url, sweep.dead_letters.url) == (SUBMITTING["QUEUE_URL"], dead_letters)
    assert sweep.prepare_queue.url == SUBMITTING["PREPARE_QUEUE_URL"]
    assert (sweep.failure.queue.url, sweep.unknown.queue.url, settle.queue.url) == (SUBMITTING["QUEUE_URL"],) * 3
    assert (sweep.failure.max_attempts, sweep.unknown.max_attempts, sweep.unknown.resubmits) == (2, 2, False)
    assert sweep.failure.retries_content_refusals
    assert {step.state_machine.arn for step in (sweep, settle, resume)} == {SUBMITTING["STATE_MACHINE_ARN"]}
    assert sweep.ledger.limit == SpendLimit(5000)
    measured = sweep.measure.__self__
    assert measured.prices.lowest == 47
    assert (measured.jobs.table, measured.ledger.spend_table, measured.ledger.limit) == (
        "jobs",
        "spend",
        sweep.ledger.limit,
    )
    assert (measured.write.__name__, measured.write.__self__.stack) == ("write", "shop")


@pytest.mark.usefixtures("settings")
def test_a_rehearsal_has_no_client_of_the_provider_and_no_key(monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        **SUBMITTING,
        "REHEARSAL": "true",
        "VIDEOS_BUCKET_NAME": "videos",
        "MAX_VIDEO_BYTES": "9",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("API_KEY_SECRET_ARN", "API_BASE_URL"):  # what a client of the provider is made of
        monkeypatch.delenv(name)

    submit, check, deliver, settle = (
        wiring.submit_generation(), wiring.check_status(), wiring.deliver_video(), settle_unknown(),
    )  # fmt: skip

    providers: list[Any] = [submit.provider, *(step.provider.provider for step in (check, deliver, settle))]  # type: ignore[attr-defined]
    assert all(isinstance(one.poll("gen_1"), PollFault) for one in providers)
    assert isinstance(submit.provider.prepare(OPTIONS, "https://x").send(), NotSent)
    assert submit.find_job.is_rehearsal


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("value", "rehearses"), [("true", True), ("false", False)])
def test_what_creates_or_releases_jobs_knows_whether_they_are_rehearsals(monkeypatch, value, rehearses):
    dead_letters = {"DEAD_LETTER_QUEUE_URL": "https://sqs/dead", "RETRY_CONTENT_REFUSALS": "true"}
    for name, setting in {**SUBMITTING, **dead_letters, "REHEARSAL": value}.items():
        monkeypatch.setenv(name, setting)

    sweep = wiring.sweep_jobs()

    found = {sweep.is_rehearsal, sweep.note_dead_letter.find_job.is_rehearsal}
    assert found | {wiring.submit_generation().find_job.is_rehearsal} == {rehearses}


def test_a_real_stack_polls_without_the_rehearsals_code():
    code = (
        "import sys, handler; from dropreel import wiring as w; p = w.check_status().provider; p.poll; p.provider.base_url;"
        " print(*sys.modules)"
    )

    modules = words_of_check_status(code)

    assert "dropreel.provider.client" in modules
    assert not {"dropreel.provider.rehearsal", "dropreel.adapters.image_address"} & set(modules)
