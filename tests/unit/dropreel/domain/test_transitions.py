"""Every transition: its source and target statuses, and each field that it changes."""

from dataclasses import MISSING, fields, replace
from datetime import timedelta
from inspect import getmembers, isfunction, signature
from typing import Any

import pytest

from dropreel.domain import events
from dropreel.domain import job as jobs
from dropreel.domain.errors import TransitionError
from dropreel.domain.events import event_id, mark_published
from dropreel.domain.job import (
    TRANSITIONS,
    Charge,
    EventType,
    Job,
    JobStatus,
    notice_wait,
    receive,
    requeue,
)
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_jobs import IMAGE, NOON, VIDEO
from tests.support.sample_transitions import (
    LATER,
    LEASE,
    MOVES,
    MUCH_LATER,
    NEW,
    OLD,
    C,
    D,
    F,
    G,
    H,
    P,
    R,
    S,
    U,
    full_job,
)

OUTCOME = {R: EventType.REJECTED, F: EventType.FAILED, U: EventType.UNKNOWN}

ALLOWED: dict[str, tuple[set[JobStatus], set[JobStatus]]] = {
    "prepare": ({D, P}, {P}),
    "finish_preparation": ({P}, {D}),
    "claim": ({D}, {S}),
    "hold": ({D}, {H}),
    "requeue": ({D, H}, {D}),
    "defer": ({S}, {D}),
    "notice_wait": ({D}, {D}),
    "dead_letter": ({D, P}, {D, P}),
    "reject": ({D, P, H, S}, {R, F, U}),
    "park": ({S}, {U}),
    "accept": ({S, U}, {G}),
    "next_attempt": ({S, G, U}, {D}),
    "complete": ({G}, {C}),
    "fail": ({G, U}, {F}),
    "resume": ({F}, {G}),
    "adopt": ({U}, {G}),
}
"""The source and target statuses of each transition. A new one must be added here too."""


def changes_of(before: Job, after: Job) -> dict[str, Any]:
    """Every field that differs, with its new value."""
    names = [each.name for each in fields(Job)]
    return {name: getattr(after, name) for name in names if getattr(before, name) != getattr(after, name)}


def pending(*events: EventType) -> frozenset[EventType]:
    return frozenset(events)


def test_the_full_job_has_no_default_values():
    job = full_job(G, pending_events=pending(EventType.HELD))
    defaults = {
        each.name: each.default_factory() if each.default_factory is not MISSING else each.default
        for each in fields(Job)
        if not (each.default is MISSING and each.default_factory is MISSING)
    }

    assert [name for name, default in defaults.items() if getattr(job, name) == default] == []


# --- source and target statuses -------------------------------------------------------------------------------------------


def test_each_transition_is_allowed_from_these_statuses_and_leads_to_those():
    assert {name: (set(one.sources), set(one.targets)) for name, one in TRANSITIONS.items()} == ALLOWED
    assert {name: one.name for name, one in TRANSITIONS.items()} == {name: name for name in TRANSITIONS}


def test_each_transition_has_a_description():
    assert [name for name, one in TRANSITIONS.items() if len(one.when) < 20] == []


def test_every_function_from_job_to_job_is_a_registered_transition():
    moves = {
        name
        for module in (jobs, events)
        for name, function in getmembers(module, isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and signature(function).return_annotation is Job
    }

    assert moves == {*TRANSITIONS, "receive", "mark_published"}
    assert set(MOVES) == set(TRANSITIONS)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("name", ALLOWED)
def test_a_transition_starts_from_its_sources_alone(name, status):
    sources, targets = ALLOWED[name]
    job = full_job(status)

    if status in sources:
        assert MOVES[name](job).status in targets
    else:
        with pytest.raises(TransitionError, match=f"job {job.job_id} is {status.value}: {name} is not possible"):
            MOVES[name](job)


@pytest.mark.parametrize("name", ALLOWED)
def test_every_target_of_a_transition_is_reached(name):
    sources, targets = ALLOWED[name]

    reached = {MOVES[name](full_job(status, charge=charge)).status for status in sources for charge in Charge}

    assert reached == targets


def test_a_received_job_waits_for_validation_and_is_not_charged():
    job = receive("a" * 24, IMAGE, NOON, request_id="r1", request_fingerprint="f1", is_copy=True, rehearsal=True)

    assert job == Job(
        job_id="a" * 24,
        status=D,
        attempt=1,
        image=IMAGE,
        created_at=NOON,
        updated_at=NOON,
        waiting_since=NOON,
        request_id="r1",
        request_fingerprint="f1",
        is_copy=True,
        rehearsal=True,
    )
    assert (job.version, job.requeues, job.resumes, job.cost_cents) == (0, 0, 0, 0)
    assert (job.polls, job.poll_faults, job.charge, job.pending_events) == (0, 0, Charge.NONE, frozenset())
    assert not receive("a" * 24, IMAGE, NOON).is_copy
    assert not receive("a" * 24, IMAGE, NOON).rehearsal


# --- waiting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [D, P])
def test_prepare_numbers_the_next_message_and_drops_the_prepared_copy(status):
    job = full_job(status)

    assert changes_of(job, MOVES["prepare"](job)) == {
        **({"status": P} if status is D else {}),
        "image": IMAGE,
        "requeues": job.requeues + 1,
        "retry_at": None,
        "reason": None,
        "updated_at": LATER,
    }


@pytest.mark.parametrize("status", [D, P])
def test_time_in_the_dead_letter_queue_does_not_count_for_the_preparation(status):
    dead = full_job(status, reason=Reason(ReasonCode.DEAD_LETTER, "It could not be processed."))

    assert MOVES["prepare"](dead).waiting_since == LATER


def test_finish_preparation_numbers_the_next_message_and_the_wait_begins():
    job = full_job(P)

    assert changes_of(job, MOVES["finish_preparation"](job)) == {
        "status": D,
        "requeues": job.requeues + 1,
        "waiting_since": LATER,
        "reason": None,
        "updated_at": LATER,
    }


def test_the_claim_of_a_rehearsal_reserves_on_a_day_of_its_own():
    assert MOVES["claim"](full_job(D, rehearsal=True)).reserved_day == "rehearsal-2026-05-05"


def test_claim_writes_the_lease_and_the_day_and_ends_the_waiting():
    job = full_job(D, rehearsal=False)

    assert changes_of(job, MOVES["claim"](job)) == {
        "status": S,
        "lease_until": LATER + LEASE,
        "reserved_day": "2026-05-05",
        "retry_at": None,
        "reason": None,
        "updated_at": LATER,
    }


def test_hold_keeps_its_reason_and_adds_its_event():
    job = full_job(D, notices={})

    assert changes_of(job, MOVES["hold"](job)) == {
        "status": H,
        "reason": NEW,
        "retry_at": None,
        "notices": {EventType.HELD: NEW},
        "pending_events": pending(EventType.HELD),
        "updated_at": LATER,
    }


def test_hold_adds_its_event_once_an_attempt():
    job = full_job(D)

    assert changes_of(job, MOVES["hold"](job)) == {"status": H, "reason": NEW, "retry_at": None, "updated_at": LATER}


def test_requeue_of_a_deferred_job_numbers_its_next_message():
    job = full_job(D)

    assert changes_of(job, MOVES["requeue"](job)) == {"requeues": 4, "retry_at": MUCH_LATER, "updated_at": LATER}
    assert requeue(job, LATER).retry_at is None
    assert requeue(job, LATER, retry_at=MUCH_LATER).retry_at == MUCH_LATER


def test_requeue_of_a_held_job_starts_its_wait_for_the_provider():
    job = full_job(H)

    assert changes_of(job, requeue(job, LATER)) == {
        "status": D,
        "reason": None,
        "waiting_since": LATER,
        "requeues": 4,
        "retry_at": None,
        "updated_at": LATER,
    }


def test_requeue_of_a_dead_letter_numbers_its_next_message():
    job = full_job(D, reason=Reason(ReasonCode.DEAD_LETTER, "It could not be processed."))

    requeued = MOVES["requeue"](job)

    assert changes_of(job, requeued) == {
        "reason": None,
        "waiting_since": LATER,
        "requeues": 4,
        "retry_at": MUCH_LATER,
        "updated_at": LATER,
    }
    assert requeued.waits_for == "deferred"


def test_defer_releases_and_numbers_the_next_message_with_its_time():
    job = full_job(S)

    assert changes_of(job, MOVES["defer"](job)) == {
        "status": D,
        "reason": NEW,
        "requeues": 4,
        "retry_at": MUCH_LATER,
        "reserved_day": None,
        "updated_at": LATER,
    }


def test_notice_wait_adds_its_event_and_keeps_the_reason_of_this_wait():
    job = full_job(D, pending_events=pending(EventType.HELD))

    assert changes_of(job, notice_wait(job)) == {
        "notices": {**job.notices, EventType.DEFERRED: OLD},
        "pending_events": pending(EventType.HELD, EventType.DEFERRED),
    }


@pytest.mark.parametrize("change", [{"notices": {EventType.DEFERRED: OLD}}, {"reason": None}])
def test_notice_wait_adds_no_event_twice_or_without_a_reason(change):
    job = full_job(D, **change)

    assert notice_wait(job) is job


def test_dead_letter_keeps_its_reason_and_adds_the_waiting_event():
    job = full_job(D)

    assert changes_of(job, MOVES["dead_letter"](job)) == {
        "reason": NEW,
        "notices": {**job.notices, EventType.DEFERRED: NEW},
        "pending_events": pending(EventType.DEFERRED),
        "updated_at": LATER,
    }


def test_dead_letter_adds_the_waiting_event_once_an_attempt():
    job = full_job(D, notices={EventType.DEFERRED: OLD})

    assert changes_of(job, MOVES["dead_letter"](job)) == {"reason": NEW, "updated_at": LATER}


# --- after the claim --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("charge", "status"), [(Charge.NONE, R), (Charge.CHARGED, F), (Charge.UNKNOWN, U)])
@pytest.mark.parametrize("source", [D, H, S])
def test_reject_ends_a_job_by_the_charge_of_earlier_attempts(source, charge, status):
    job = full_job(source, charge=charge, pending_events=pending(EventType.HELD))

    assert changes_of(job, MOVES["reject"](job)) == {
        "status": status,
        "reason": NEW,
        "reserved_day": None,
        "retry_at": None,
        "pending_events": pending(EventType.HELD, OUTCOME[status]),
        "updated_at": LATER,
    }


def test_park_sets_the_charge_to_unknown_and_keeps_the_reservation():
    job = full_job(S, charge=Charge.NONE, pending_events=pending(EventType.HELD))

    assert changes_of(job, MOVES["park"](job)) == {
        "status": U,
        "charge": Charge.UNKNOWN,
        "reason": NEW,
        "pending_events": pending(EventType.HELD, EventType.UNKNOWN),
        "updated_at": LATER,
    }


@pytest.mark.parametrize(("source", "events"), [(S, pending(EventType.HELD)), (S, pending()), (U, pending())])
def test_accept_keeps_the_id_of_the_paid_generation(source, events):
    job = full_job(source, charge=Charge.UNKNOWN, generation_id=None, pending_events=events)

    assert changes_of(job, MOVES["accept"](job)) == {
        "status": G,
        "charge": Charge.CHARGED,
        "generation_id": "gen_2",
        "provider_status": "created",
        "submitted_at": LATER,
        "watched_since": LATER,
        "not_found_since": None,
        "reason": None,
        "pending_events": events | {EventType.SUBMITTED},
        "updated_at": LATER,
    }


@pytest.mark.parametrize(("source", "charge"), [(S, Charge.UNKNOWN), (G, Charge.CHARGED), (U, Charge.UNKNOWN)])
def test_next_attempt_resets_the_attempt_and_keeps_its_charge(source, charge):
    job = full_job(source, charge=Charge.NONE)

    assert changes_of(job, MOVES["next_attempt"](job)) == {
        "status": D,
        "attempt": 3,
        "charge": charge,
        "reason": NEW,
        "requeues": 0,
        "resumes": 0,
        "retry_at": None,
        "waiting_since": LATER,
        "notices": {},
        "reserved_day": None,
        "submitted_at": None,
        "generation_id": None,
        "provider_status": None,
        "watched_since": None,
        "not_found_since": None,
        "updated_at": LATER,
    }


def test_complete_keeps_the_video_and_all_warnings():
    job = full_job(G, pending_events=pending(EventType.SUBMITTED))

    assert changes_of(job, MOVES["complete"](job)) == {
        "status": C,
        "reason": None,
        "video": VIDEO,
        "warnings": ("small", "short"),
        "pending_events": pending(EventType.SUBMITTED, EventType.COMPLETED),
        "updated_at": LATER,
    }


@pytest.mark.parametrize("source", [G, U])
def test_fail_keeps_its_reason_the_charge_and_the_reservation(source):
    job = full_job(source, pending_events=pending(EventType.SUBMITTED))

    assert changes_of(job, MOVES["fail"](job)) == {
        "status": F,
        "reason": NEW,
        "pending_events": pending(EventType.SUBMITTED, EventType.FAILED),
        "updated_at": LATER,
    }


def test_resume_polls_the_same_generation_again():
    job = full_job(F)

    assert changes_of(job, MOVES["resume"](job)) == {
        "status": G,
        "provider_status": None,
        "watched_since": LATER,
        "not_found_since": None,
        "resumes": 5,
        "reason": None,
        "updated_at": LATER,
    }


def test_a_failed_job_without_a_generation_has_nothing_to_resume():
    with pytest.raises(TransitionError, match="has no generation to resume"):
        MOVES["resume"](full_job(F, generation_id=None))


def test_adopt_counts_as_a_resume_and_was_submitted_at_the_parking():
    parked = NOON + timedelta(minutes=7)
    job = full_job(U, charge=Charge.UNKNOWN, generation_id=None, updated_at=parked)

    assert changes_of(job, MOVES["adopt"](job)) == {
        "status": G,
        "charge": Charge.CHARGED,
        "generation_id": "gen_2",
        "provider_status": None,
        "submitted_at": parked,
        "watched_since": LATER,
        "not_found_since": None,
        "resumes": 5,
        "reason": None,
        "pending_events": pending(EventType.SUBMITTED),
        "updated_at": LATER,
    }


@pytest.mark.parametrize(
    ("name", "source"),
    [("accept", U), ("next_attempt", S), ("next_attempt", G), ("next_attempt", U), ("resume", F), ("adopt", U)],
)
def test_the_next_step_is_refused_while_events_are_pending(name, source):
    job = full_job(source, pending_events=pending(EventType.UNKNOWN, EventType.HELD))

    with pytest.raises(TransitionError, match="has yet to publish Video Generation Held, Video Generation Unknown"):
        MOVES[name](job)
    assert MOVES[name](replace(job, pending_events=pending())).updated_at == LATER


@pytest.mark.parametrize("name", ALLOWED)
def test_no_transition_changes_its_argument(name):
    for source in ALLOWED[name][0]:
        job, same = (full_job(source, notices={}) for _ in range(2))

        MOVES[name](job)

        assert job == same


# --- events that were published -------------------------------------------------------------------------------------------


def test_a_published_event_is_no_longer_pending():
    job = full_job(G, pending_events=pending(EventType.HELD, EventType.SUBMITTED))

    marked = mark_published(job, EventType.HELD, event_id(job, EventType.HELD))

    assert changes_of(job, marked) == {"pending_events": pending(EventType.SUBMITTED)}


def test_an_event_that_is_not_pending_changes_nothing():
    job = full_job(G, pending_events=pending(EventType.SUBMITTED))

    assert mark_published(job, EventType.HELD, event_id(job, EventType.HELD)) is job


@pytest.mark.parametrize("since", [{"resumes": 5}, {"attempt": 3}, {"job_id": "b" * 24}])
def test_an_older_event_of_the_type_leaves_the_pending_one(since):
    published = full_job(F, pending_events=pending(EventType.FAILED))
    now = replace(published, **since)

    assert mark_published(now, EventType.FAILED, event_id(published, EventType.FAILED)) is now
