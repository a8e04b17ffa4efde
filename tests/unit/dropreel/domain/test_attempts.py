"""The attempt row that each transition writes."""

from dataclasses import replace

import pytest

from dropreel.domain.attempts import Attempt, attempt_after
from dropreel.domain.events import event_id, mark_published
from dropreel.domain.job import TRANSITIONS, Charge, EventType, Job, JobStatus
from tests.support.sample_transitions import LATER, MOVES, NEW, C, D, F, G, H, P, R, S, U, full_job

NONE, CHARGED, UNKNOWN = Charge.NONE, Charge.CHARGED, Charge.UNKNOWN

ROWS: dict[tuple[str, JobStatus], tuple[JobStatus, Charge] | None] = {
    ("prepare", D): None,
    ("prepare", P): None,
    ("finish_preparation", P): None,
    ("claim", D): (S, UNKNOWN),
    ("hold", D): None,
    ("requeue", D): None,
    ("requeue", H): None,
    ("defer", S): (D, NONE),
    ("notice_wait", D): None,
    ("dead_letter", D): None,
    ("dead_letter", P): None,
    ("reject", D): None,
    ("reject", P): None,
    ("reject", H): None,
    ("reject", S): (R, NONE),
    ("park", S): (U, UNKNOWN),
    ("accept", S): (G, CHARGED),
    ("accept", U): (G, CHARGED),
    ("next_attempt", S): (U, UNKNOWN),
    ("next_attempt", G): (F, CHARGED),
    ("next_attempt", U): (U, UNKNOWN),
    ("complete", G): (C, CHARGED),
    ("fail", G): (F, CHARGED),
    ("fail", U): (F, UNKNOWN),
    ("resume", F): (G, CHARGED),
    ("adopt", U): (G, CHARGED),
}
"""The row's status and charge after each transition; None for a transition that writes no row."""
HAS_GENERATION = (G, F, C)


def at_step(status: JobStatus) -> Job:
    """A job in its second attempt, with three retry messages, and with the fields that this status has."""
    return full_job(
        status,
        charge=NONE,
        generation_id="gen_1" if status in HAS_GENERATION else None,
        reserved_day=None if status in (D, P, H, R) else "2026-05-04",
    )


def test_the_table_has_every_transition_from_each_of_its_sources():
    assert set(ROWS) == {(name, source) for name, one in TRANSITIONS.items() for source in one.sources}


@pytest.mark.parametrize(("name", "source"), ROWS)
def test_each_transition_writes_the_submissions_status_and_charge(name, source):
    before = at_step(source)
    after = MOVES[name](before)
    expected = ROWS[name, source]

    row = attempt_after(before, after)

    if expected is None:
        assert row is None
    else:
        assert row is not None
        assert (row.status, row.charge) == expected
        assert (row.attempt, row.requeues, row.at) == (2, 3, LATER)


@pytest.mark.parametrize(
    ("name", "source", "generation_id"),
    [
        ("accept", S, "gen_2"),
        ("accept", U, "gen_2"),
        ("adopt", U, "gen_2"),
        ("next_attempt", G, "gen_1"),
        ("complete", G, "gen_1"),
        ("fail", G, "gen_1"),
        ("resume", F, "gen_1"),
        ("claim", D, None),
        ("defer", S, None),
        ("reject", S, None),
        ("park", S, None),
        ("next_attempt", S, None),
        ("next_attempt", U, None),
        ("fail", U, None),
    ],
)
def test_a_submissions_row_has_its_generation(name, source, generation_id):
    before = at_step(source)

    row = attempt_after(before, MOVES[name](before))

    assert row is not None
    assert row.generation_id == generation_id


@pytest.mark.parametrize(
    ("name", "source"), [("defer", S), ("reject", S), ("park", S), ("next_attempt", G), ("fail", G), ("fail", U)]
)
def test_a_submissions_row_has_the_reason_of_its_end(name, source):
    before = at_step(source)

    row = attempt_after(before, MOVES[name](before))

    assert row is not None
    assert row.reason == NEW


def test_a_claim_starts_a_new_row_without_the_old_reason():
    before = at_step(D)

    assert attempt_after(before, MOVES["claim"](before)) == Attempt(2, 3, S, UNKNOWN, None, None, LATER)


@pytest.mark.parametrize(("charge", "status"), [(NONE, R), (CHARGED, F), (UNKNOWN, U)])
def test_a_refused_submission_is_not_charged_whatever_earlier_ones_were(charge, status):
    before = replace(at_step(S), charge=charge)

    row = attempt_after(before, MOVES["reject"](before))

    assert row is not None
    assert (row.status, row.charge) == (status, NONE)


@pytest.mark.parametrize("status", JobStatus)
def test_a_published_event_writes_no_row(status):
    before = replace(at_step(status), pending_events=frozenset({EventType.HELD}))
    after = mark_published(before, EventType.HELD, event_id(before, EventType.HELD))

    assert after != before
    assert attempt_after(before, after) is None


@pytest.mark.parametrize("name", ["fail", "adopt", "next_attempt"])
@pytest.mark.parametrize("rejected", [D, H, S])
def test_what_follows_a_refused_attempt_leaves_its_row_unchanged(rejected, name):
    """An earlier attempt may have been charged; this one was refused, or was never submitted."""
    before = MOVES["reject"](replace(at_step(rejected), charge=UNKNOWN))
    assert before.status is U

    after = MOVES[name](replace(before, pending_events=frozenset()))

    assert attempt_after(before, after) is None


@pytest.mark.parametrize("name", ["complete", "fail", "next_attempt"])
def test_a_generation_adopted_after_a_refused_attempt_writes_no_row(name):
    refused = MOVES["reject"](replace(at_step(S), charge=UNKNOWN))
    adopted = replace(MOVES["adopt"](replace(refused, pending_events=frozenset())), pending_events=frozenset())

    assert attempt_after(adopted, MOVES[name](adopted)) is None
