"""Each transition with arguments, and a job in which every field is set."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dropreel.domain.job import (
    Charge,
    EventType,
    Job,
    JobStatus,
    PollFaultNote,
    accept,
    adopt,
    claim,
    complete,
    dead_letter,
    defer,
    fail,
    finish_preparation,
    hold,
    next_attempt,
    notice_wait,
    park,
    prepare,
    reject,
    requeue,
    resume,
)
from dropreel.domain.prices import DOCUMENTED_VERSION
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import IMAGE, NOON, OPTIONS, PREPARED, PRICE, VIDEO

D, P, H = JobStatus.DEFERRED, JobStatus.PREPARING, JobStatus.HELD
S, G = JobStatus.SUBMITTING, JobStatus.GENERATING
C, F, R, U = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.REJECTED, JobStatus.UNKNOWN
LATER = NOON + timedelta(days=1, minutes=1)
MUCH_LATER = LATER + timedelta(hours=2)
LEASE = timedelta(seconds=150)
OLD = Reason(ReasonCode.PROVIDER_BUSY, "It was busy.")
NEW = Reason(ReasonCode.GENERATION_FAILED, "It did not work.", provider_error="no faces")

MOVES: dict[str, Callable[[Job], Job]] = {
    "prepare": lambda job: prepare(job, LATER),
    "finish_preparation": lambda job: finish_preparation(job, LATER),
    "claim": lambda job: claim(job, LATER, LEASE),
    "hold": lambda job: hold(job, NEW, LATER),
    "requeue": lambda job: requeue(job, LATER, MUCH_LATER),
    "defer": lambda job: defer(job, NEW, MUCH_LATER, LATER),
    "notice_wait": notice_wait,
    "dead_letter": lambda job: dead_letter(job, NEW, LATER),
    "reject": lambda job: reject(job, NEW, LATER),
    "park": lambda job: park(job, NEW, LATER),
    "accept": lambda job: accept(job, "gen_2", "created", LATER),
    "next_attempt": lambda job: next_attempt(job, NEW, LATER),
    "complete": lambda job: complete(job, VIDEO, ("short",), LATER),
    "fail": lambda job: fail(job, NEW, LATER),
    "resume": lambda job: resume(job, LATER),
    "adopt": lambda job: adopt(job, "gen_2", LATER),
}


def full_job(status: JobStatus, **changes: Any) -> Job:
    """Return a job with every field set, so that each field that a transition resets changes."""
    held = Reason(ReasonCode.DAILY_LIMIT, "The day was full.")
    filled: dict[str, Any] = {
        "job_id": "a" * 24,
        "status": status,
        "attempt": 2,
        "image": IMAGE._replace(prepared=PREPARED),
        "created_at": NOON,
        "updated_at": NOON,
        "version": 7,
        "request_id": "r1",
        "request_fingerprint": "f1",
        "is_copy": True,
        "rehearsal": True,
        "modified_at": NOON,
        "options": OPTIONS,
        "option_sources": {"prompt": "request"},
        "warnings": ("small",),
        "cost_cents": PRICE,
        "prices_version": DOCUMENTED_VERSION,
        "charge": Charge.CHARGED,
        "reserved_day": "2026-05-04",
        "lease_until": NOON,
        "requeues": 3,
        "retry_at": NOON,
        "waiting_since": NOON,
        "notices": {EventType.HELD: held},
        "submitted_at": NOON,
        "generation_id": "gen_1",
        "provider_status": "processing",
        "watched_since": NOON,
        "resumes": 4,
        "polls": 9,
        "poll_faults": 5,
        "not_found_since": NOON,
        "last_fault": PollFaultNote("the provider answered 404", NOON),
        "reason": OLD,
        "video": VIDEO._replace(key="earlier.mp4"),
    }
    return Job(**{**filled, **changes})
