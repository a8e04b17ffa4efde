"""Builds the use cases: each once a process, when it is first asked for, with no more imports than its function needs."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

from dropreel.adapters.job_table import JobTable
from dropreel.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from boto3.session import Session

    from dropreel.adapters.ledger import Ledger
    from dropreel.adapters.metrics import Metrics
    from dropreel.adapters.queues import JobQueue
    from dropreel.adapters.rehearsal_videos import RehearsalVideos
    from dropreel.adapters.state_machine import StateMachine
    from dropreel.adapters.video_source import VideoSource
    from dropreel.provider.by_generation import ProviderByGeneration
    from dropreel.provider.client import ProviderClient
    from dropreel.provider.rehearsal import NoProvider, Rehearsal
    from dropreel.use_cases.check_status import CheckStatus
    from dropreel.use_cases.deliver_video import DeliverVideo
    from dropreel.use_cases.find_job import FindJob
    from dropreel.use_cases.note_dead_letter import NoteDeadLetter
    from dropreel.use_cases.prepare_image import PrepareImage
    from dropreel.use_cases.publish_events import Publisher
    from dropreel.use_cases.report_failure import ReportFailure
    from dropreel.use_cases.send_mail import SendMail
    from dropreel.use_cases.send_webhook import SendWebhook
    from dropreel.use_cases.submit_generation import SubmitGeneration
    from dropreel.use_cases.sweep_jobs import SweepJobs
    from dropreel.use_cases.unknown_submission import UnknownSubmission

_Service = Literal["dynamodb", "events", "s3", "secretsmanager", "sns", "sqs", "stepfunctions"]


@cache
def submit_generation() -> "SubmitGeneration":
    """Return the use case of SubmitGenerationFunction."""
    from dropreel.adapters.image_bucket import ImageBucket
    from dropreel.use_cases.submit_generation import SubmitGeneration
    from dropreel.use_cases.validate_image import ImageValidator

    settings = Settings.from_environment()
    images = ImageBucket(_client("s3"))
    return SubmitGeneration(
        jobs=_jobs(),
        find_job=_find_job(),
        ledger=_ledger(),
        validator=ImageValidator(
            images,
            settings.image_buckets,
            settings.default_options,
            settings.key_prefixes,
            prepares=settings.prepares_images,
            prices=_prices(),
        ),
        images=images,
        provider=_on_first_use(_provider),
        rehearsal=_on_first_use(_rehearsal),
        state_machine=_state_machine(),
        queue=_queue(),
        prepare_queue=_prepare_queue(),
        publisher=_publisher(),
        unknown=_unknown_submission(),
        count=_metrics().count,
        now=_now,
        random=random.random,
        sleep=_sleep,
    )


@cache
def prepare_image() -> "PrepareImage":
    """Return the use case of PrepareImageFunction."""
    from dropreel.adapters.image_bucket import ImageBucket
    from dropreel.adapters.imaging import prepare_picture
    from dropreel.adapters.prepared_bucket import PreparedBucket
    from dropreel.use_cases.prepare_image import PrepareImage

    return PrepareImage(
        jobs=_jobs(),
        originals=ImageBucket(_client("s3")),
        prepare_picture=prepare_picture,
        prepared=PreparedBucket(_client("s3"), Settings.from_environment().prepared_bucket),
        queue=_queue(),
        publisher=_publisher(),
        now=_now,
    )


@cache
def check_status() -> "CheckStatus":
    """Return the use case of CheckStatusFunction."""
    from dropreel.use_cases.check_status import CheckStatus

    settings = Settings.from_environment()
    return CheckStatus(
        jobs=_jobs(),
        provider=_on_first_use(_provider_by_generation),
        timeout_seconds=settings.generation_timeout_seconds,
        count=_metrics().count,
        now=_now,
    )


@cache
def deliver_video() -> "DeliverVideo":
    """Return the use case of DeliverVideoFunction."""
    from dropreel.adapters.video_bucket import VideoBucket
    from dropreel.use_cases.deliver_video import DeliverVideo

    settings = Settings.from_environment()
    return DeliverVideo(
        jobs=_jobs(),
        provider=_on_first_use(_provider_by_generation),
        source=_on_first_use(_video_source),
        rehearsal_source=_on_first_use(_rehearsal_videos),
        videos=VideoBucket(
            _client("s3", read_timeout=60), settings.videos_bucket
        ),  # S3 may take long to check a large one
        publisher=_publisher(),
        now=_now,
    )


@cache
def report_failure() -> "ReportFailure":
    """Return the use case of ReportFailureFunction."""
    from dropreel.adapters.state_machine import status_of
    from dropreel.use_cases.report_failure import ReportFailure

    settings = Settings.from_environment()
    return ReportFailure(
        jobs=_jobs(),
        queue=_queue(),
        execution_status=partial(status_of, _lazy_client("stepfunctions")),
        publisher=_publisher(),
        max_attempts=settings.max_attempts,
        retries_content_refusals=settings.retries_content_refusals,
        now=_now,
    )


@cache
def sweep_jobs() -> "SweepJobs":
    """Return the use case of SweepJobsFunction."""
    from dropreel.adapters.queues import DeadLetterQueue
    from dropreel.use_cases.measure_stack import MeasureStack
    from dropreel.use_cases.sweep_jobs import SweepJobs

    return SweepJobs(
        jobs=_jobs(),
        ledger=_ledger(),
        queue=_queue(),
        prepare_queue=_prepare_queue(),
        state_machine=_state_machine(),
        publisher=_publisher(),
        failure=report_failure(),
        unknown=_unknown_submission(),
        dead_letters=DeadLetterQueue(partial(_client, "sqs"), Settings.from_environment().dead_letter_queue_url),
        note_dead_letter=note_dead_letter(),
        measure=MeasureStack(_jobs(), _ledger(), _metrics().write, _now, _prices()).run,
        now=_now,
        is_rehearsal=Settings.from_environment().is_rehearsal,
    )


@cache
def send_mail() -> "SendMail":
    """Return the use case of SendMailFunction."""
    from dropreel.adapters.mail_topic import MailTopic
    from dropreel.use_cases.send_mail import SendMail

    return SendMail(MailTopic(_client("sns"), Settings.from_environment().mail_topic_arn))


@cache
def send_webhook() -> "SendWebhook":
    """Return the use case of SendWebhookFunction."""
    from dropreel.adapters.webhook_endpoint import WebhookEndpoint, WebhookQueue, WebhookSecret
    from dropreel.use_cases.send_webhook import SendWebhook

    settings = Settings.from_environment()
    return SendWebhook(
        endpoint=WebhookEndpoint(settings.webhook_url),
        queue=WebhookQueue(partial(_client, "sqs"), settings.webhook_queue_url),
        secret=WebhookSecret(_secrets, settings.webhook_secret_arn),
        now=_now,
    )


def _dynamodb() -> Any:
    """Return DynamoDB's client. A call ends within 15 s: an accepted id that cannot be written must still reach the state machine."""
    return _client("dynamodb", read_timeout=4, tries=2)


def _jobs() -> JobTable:
    return JobTable(_dynamodb(), Settings.from_environment().jobs_table, _sleep)


def _ledger() -> "Ledger":
    from dropreel.adapters.ledger import Ledger

    settings = Settings.from_environment()
    client = _dynamodb()
    return Ledger(client, settings.jobs_table, settings.spend_table, settings.spend_limit, _sleep)


def _queue() -> "JobQueue":
    from dropreel.adapters.queues import JobQueue

    return JobQueue(partial(_client, "sqs"), Settings.from_environment().queue_url)


def _prepare_queue() -> "JobQueue":
    from dropreel.adapters.queues import JobQueue

    return JobQueue(partial(_client, "sqs"), Settings.from_environment().prepare_queue_url)


def _state_machine() -> "StateMachine":
    from dropreel.adapters.state_machine import StateMachine

    return StateMachine(_lazy_client("stepfunctions"), Settings.from_environment().state_machine_arn)


def _publisher() -> "Publisher":
    from dropreel.adapters.event_bus import EventBus
    from dropreel.use_cases.publish_events import Publisher

    settings = Settings.from_environment()
    bus = EventBus(_lazy_client("events"), settings.event_bus, settings.stack_name)
    return Publisher(_jobs(), bus, _metrics().measure)


def _metrics() -> "Metrics":
    from dropreel.adapters.metrics import Metrics

    return Metrics(Settings.from_environment().stack_name)


@cache
def note_dead_letter() -> "NoteDeadLetter":
    """Return the use case for a message that was received for the last time."""
    from dropreel.use_cases.note_dead_letter import NoteDeadLetter

    return NoteDeadLetter(_jobs(), _find_job(), _publisher(), _now)


def _prices() -> Any:
    """Return the stack's prices. Wrong ones are the fault of a message or of the measurements, not of the start."""
    return _on_first_use(lambda: Settings.from_environment().prices)


def _find_job() -> "FindJob":
    from dropreel.use_cases.find_job import FindJob

    return FindJob(_jobs(), _now, Settings.from_environment().is_rehearsal)


def _unknown_submission() -> "UnknownSubmission":
    from dropreel.use_cases.unknown_submission import UnknownSubmission

    settings = Settings.from_environment()
    return UnknownSubmission(
        _jobs(),
        _queue(),
        _publisher(),
        resubmits=settings.resubmits_unknown,
        max_attempts=settings.max_attempts,
        count=_metrics().count,
    )


def _provider() -> "ProviderClient | NoProvider":
    """Return the provider; in a rehearsal nothing that could reach it."""
    settings = Settings.from_environment()
    if settings.is_rehearsal:
        from dropreel.provider.rehearsal import NoProvider

        return NoProvider()
    from dropreel.adapters.api_key import ApiKey
    from dropreel.provider.client import ProviderClient

    return ProviderClient(settings.api_base_url, ApiKey(_secrets, settings.api_key_secret_arn))


def _rehearsal() -> "Rehearsal":
    from secrets import token_hex

    from dropreel.adapters.image_address import read_first_bytes
    from dropreel.provider.rehearsal import Rehearsal

    return Rehearsal(read_first_bytes, _now, partial(token_hex, 4))


def _provider_by_generation() -> "ProviderByGeneration":
    from dropreel.provider.by_generation import ProviderByGeneration

    return ProviderByGeneration(_on_first_use(_provider), _on_first_use(_rehearsal))


def _rehearsal_videos() -> "RehearsalVideos":
    from dropreel.adapters.rehearsal_videos import RehearsalVideos

    return RehearsalVideos(Settings.from_environment().max_video_bytes)


def _video_source() -> "VideoSource":
    from dropreel.adapters.video_source import VideoSource

    settings = Settings.from_environment()
    return VideoSource(settings.api_base_url, settings.max_video_bytes)


class _OnFirstUse:
    """Builds an object when its first attribute is asked for."""

    def __init__(self, build: Callable[[], object]) -> None:
        self._built = cache(build)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._built(), name)


def _on_first_use(build: Callable[[], object]) -> Any:
    """Return what `build` makes, made with its first use: a function starts without `requests` and with one or two clients.

    A submission is prepared before its claim, so that an import that fails spends nothing.
    """
    return _OnFirstUse(build)


@cache
def _secrets() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    return SecretsProvider(boto3_client=_client("secretsmanager"))


@cache
def _client(service: _Service, read_timeout: int = 10, tries: int = 5) -> Any:
    """Return the process's one client of a service, which keeps its connections open.

    `read_timeout` is in seconds; `tries` includes the first one.
    """
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": tries}, connect_timeout=3, read_timeout=read_timeout
    )
    if service == "s3":
        # boto3's defaults sign addresses with Signature Version 2 in us-east-1, and for the global endpoint elsewhere. That
        # endpoint redirects requests for a new bucket to its region, where the signature is not valid.
        config = config.merge(
            Config(
                signature_version="s3v4",
                s3={"us_east_1_regional_endpoint": "regional", "addressing_style": "virtual"},
            )
        )
    return _session().client(service, config=config)


def _lazy_client(service: _Service) -> Any:
    """Return the client of a service that most starts do not use at once."""
    return _on_first_use(partial(_client, service))


@cache
def _session() -> "Session":
    """Return the session of all clients."""
    from boto3.session import Session

    return Session()


def _now() -> datetime:
    return datetime.now(UTC)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)
