"""Puts the use cases together, once a process and only when asked. Each imports no more than its own function needs."""

import random
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from dropreel.adapters.job_table import JobTable
from dropreel.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from dropreel.adapters.ledger import Ledger
    from dropreel.adapters.provider_api import ProviderApi
    from dropreel.adapters.state_machine import StateMachine
    from dropreel.adapters.submission_queue import SubmissionQueue
    from dropreel.use_cases.announce import Announcer
    from dropreel.use_cases.check_status import CheckStatus
    from dropreel.use_cases.deliver_video import DeliverVideo
    from dropreel.use_cases.report_failure import ReportFailure
    from dropreel.use_cases.resume_job import ResumeJob
    from dropreel.use_cases.settle_unknown import SettleUnknown
    from dropreel.use_cases.submit_generation import SubmitGeneration
    from dropreel.use_cases.sweep_jobs import SweepJobs

_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=3, read_timeout=10)
# SigV4 and the regional endpoint: boto3's defaults in us-east-1 still sign addresses the old way, for the global endpoint.
_S3 = _RETRIES.merge(Config(signature_version="s3v4", s3={"us_east_1_regional_endpoint": "regional"}))


@cache
def submit_generation() -> "SubmitGeneration":
    """Return the use case of SubmitGenerationFunction."""
    from dropreel.adapters.image_bucket import ImageBucket
    from dropreel.use_cases.judge_image import ImageJudge
    from dropreel.use_cases.submit_generation import SubmitGeneration

    settings = Settings.from_environment()
    images = ImageBucket(_s3())
    return SubmitGeneration(
        jobs=_jobs(),
        ledger=_ledger(),
        judge=ImageJudge(images, settings.image_buckets, settings.default_options, _now),
        images=images,
        provider=_provider(),
        state_machine=_state_machine(),
        queue=_queue(),
        announcer=_announcer(),
        max_attempts=settings.max_attempts,
        resubmits_ambiguous=settings.resubmits_ambiguous,
        now=_now,
        random=random.random,
    )


@cache
def check_status() -> "CheckStatus":
    """Return the use case of CheckStatusFunction."""
    from dropreel.use_cases.check_status import CheckStatus

    settings = Settings.from_environment()
    return CheckStatus(
        jobs=_jobs(), provider=_provider(), timeout_seconds=settings.generation_timeout_seconds, now=_now
    )


@cache
def deliver_video() -> "DeliverVideo":
    """Return the use case of DeliverVideoFunction."""
    from dropreel.adapters.video_bucket import VideoBucket
    from dropreel.adapters.video_source import VideoSource
    from dropreel.use_cases.deliver_video import DeliverVideo

    settings = Settings.from_environment()
    return DeliverVideo(
        jobs=_jobs(),
        provider=_provider(),
        source=VideoSource(settings.api_base_url, settings.max_video_bytes),
        videos=VideoBucket(_s3(), settings.videos_bucket),
        announcer=_announcer(),
        now=_now,
    )


@cache
def report_failure() -> "ReportFailure":
    """Return the use case of ReportFailureFunction."""
    from dropreel.use_cases.report_failure import ReportFailure

    return ReportFailure(
        jobs=_jobs(),
        queue=_queue(),
        announcer=_announcer(),
        max_attempts=Settings.from_environment().max_attempts,
        now=_now,
    )


@cache
def sweep_jobs() -> "SweepJobs":
    """Return the use case of SweepJobsFunction."""
    from dropreel.use_cases.sweep_jobs import SweepJobs

    settings = Settings.from_environment()
    return SweepJobs(
        jobs=_jobs(),
        ledger=_ledger(),
        queue=_queue(),
        state_machine=_state_machine(),
        announcer=_announcer(),
        failure=report_failure(),
        max_attempts=settings.max_attempts,
        resubmits_ambiguous=settings.resubmits_ambiguous,
        now=_now,
    )


@cache
def resume_job() -> "ResumeJob":
    """Return what an owner goes on with a failed, paid job by."""
    from dropreel.use_cases.resume_job import ResumeJob

    return ResumeJob(_jobs(), _state_machine(), _announcer(), _now)


@cache
def settle_unknown() -> "SettleUnknown":
    """Return what an owner decides about an `unknown` job by."""
    from dropreel.use_cases.settle_unknown import SettleUnknown

    return SettleUnknown(_jobs(), _provider(), _state_machine(), _queue(), _announcer(), _now)


def _jobs() -> JobTable:
    return JobTable(_client("dynamodb"), Settings.from_environment().jobs_table)


def _ledger() -> "Ledger":
    from dropreel.adapters.ledger import Ledger

    settings = Settings.from_environment()
    client = _client("dynamodb")
    return Ledger(client, settings.jobs_table, settings.spend_table, settings.spend_limit)


def _queue() -> "SubmissionQueue":
    from dropreel.adapters.submission_queue import SubmissionQueue

    return SubmissionQueue(_client("sqs"), Settings.from_environment().queue_url)


def _state_machine() -> "StateMachine":
    from dropreel.adapters.state_machine import StateMachine

    return StateMachine(_client("stepfunctions"), Settings.from_environment().state_machine_arn)


def _announcer() -> "Announcer":
    from dropreel.adapters.event_bus import EventBus
    from dropreel.use_cases.announce import Announcer

    bus = EventBus(_client("events"), Settings.from_environment().event_bus)
    return Announcer(_jobs(), bus)


def _provider() -> "ProviderApi":
    from dropreel.adapters.api_key import ApiKey
    from dropreel.adapters.provider_api import ProviderApi

    settings = Settings.from_environment()
    key = ApiKey(_client("secretsmanager"), settings.api_key_secret_arn)
    return ProviderApi(settings.api_base_url, key)


@cache
def _client(service: str) -> Any:
    """Return the process's one client of a service: a second one would open connections of its own."""
    return boto3.client(service, config=_RETRIES)  # type: ignore[call-overload]  # the stubs want a literal name


def _s3() -> "S3Client":
    return boto3.client("s3", config=_S3)


def _now() -> datetime:
    return datetime.now(UTC)
