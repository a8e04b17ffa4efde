"""In any order of transitions, a submission that was or may have been charged is never made again."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.attempts import Attempt, attempt_after
from dropreel.domain.errors import TransitionError
from dropreel.domain.events import event_id, mark_published
from dropreel.domain.job import TRANSITIONS, Charge, Job, JobStatus, execution_name, receive
from tests.support.sample_jobs import IMAGE, NOON
from tests.support.sample_transitions import MOVES, full_job

PUBLISH = "publish"
SURELY_FREE = ("defer", "reject")
"""After these transitions of a `submitting` job, the provider charged nothing for the submission."""


@dataclass
class Walk:
    """A job that makes one transition after another, and everything that was written."""

    job: Job = field(default_factory=lambda: receive("a" * 24, IMAGE, NOON))
    claims: list[tuple[int, int]] = field(default_factory=list)
    may_be_charged: set[int] = field(default_factory=set)
    rows: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    watched: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def possible(self) -> list[str]:
        """The transitions that this job can make, by name."""
        return [*(name for name in MOVES if self._is_possible(name)), *([PUBLISH] if self.job.pending_events else [])]

    def _is_possible(self, name: str) -> bool:
        try:
            MOVES[name](self.job)
        except TransitionError:
            return False
        return True

    def take(self, name: str) -> None:
        before = self.job
        if name == PUBLISH:
            event = min(before.pending_events)
            self.job = mark_published(before, event, event_id(before, event))
        else:
            self.job = MOVES[name](before)
        self.taken.append(name)
        self._note(name, before, self.job)

    def _note(self, name: str, before: Job, after: Job) -> None:
        row = attempt_after(before, after)
        if row is not None:
            self.rows[row.attempt, row.requeues] = row
        if after.status is JobStatus.SUBMITTING and before.status is not JobStatus.SUBMITTING:
            assert after.attempt not in self.may_be_charged, "the attempt was or may have been charged"
            self.claims.append((after.attempt, after.requeues))
            self.may_be_charged.add(after.attempt)
        if before.status is JobStatus.SUBMITTING and name in SURELY_FREE:
            self.may_be_charged.remove(before.attempt)
        if after.status is JobStatus.GENERATING and before.status is not JobStatus.GENERATING:
            self.watched.append(execution_name(after))
        self.event_ids += [event_id(after, event) for event in after.pending_events - before.pending_events]


def walk(steps: bytes) -> Walk:
    """Make one of the possible transitions for each number, until there is none."""
    walked = Walk()
    for step in steps:
        possible = walked.possible()
        if not possible:
            break
        # Every other transition is one that does not end the job, where there is one: else most walks would end early.
        walked.take(possible[step // 2 % len(possible)] if step % 2 else likely_of(possible))
    return walked


def likely_of(possible: list[str]) -> str:
    return next(
        (name for name in ("claim", "adopt", "resume", "accept", "next_attempt") if name in possible), possible[-1]
    )


WALKS = st.binary(min_size=40, max_size=60).map(walk)
MANY = settings(max_examples=200, derandomize=True, deadline=None)


@MANY
@given(WALKS)
def test_what_may_have_been_charged_is_not_submitted_again_in_its_attempt(walked: Walk):
    assert len(walked.claims) == len(set(walked.claims))  # and `Walk` looks at each claim when it is made


@MANY
@given(WALKS)
def test_every_claim_has_its_own_row_with_its_charge(walked: Walk):
    charged = {attempt for (attempt, _), row in walked.rows.items() if row.charge is not Charge.NONE}

    assert sorted(walked.rows) == sorted(walked.claims)
    assert charged == walked.may_be_charged


@MANY
@given(WALKS)
def test_a_job_is_not_charged_only_if_no_ended_attempt_may_have_been(walked: Walk):
    ended = walked.may_be_charged
    if walked.job.status is JobStatus.SUBMITTING:
        ended = ended - {walked.job.attempt}

    assert (walked.job.charge is Charge.NONE) is (not ended)
    assert walked.job.status is not JobStatus.REJECTED or not ended


@MANY
@given(WALKS)
def test_a_reservation_is_kept_exactly_as_long_as_a_submission_is_open(walked: Walk):
    row = walked.rows.get((walked.job.attempt, walked.job.requeues))
    is_open = row is not None and row.charge is not Charge.NONE

    assert (walked.job.reserved_day is not None) is is_open


@MANY
@given(WALKS)
def test_every_execution_and_every_event_has_its_own_name_and_id(walked: Walk):
    assert len(walked.watched) == len(set(walked.watched))
    assert len(walked.event_ids) == len(set(walked.event_ids))


@MANY
@given(WALKS)
def test_a_generating_job_has_the_generation_that_is_polled(walked: Walk):
    if walked.job.status in (JobStatus.GENERATING, JobStatus.COMPLETED):
        assert walked.job.charge is Charge.CHARGED
        assert walked.job.generation_id is not None
        assert walked.job.watched_since is not None
        assert walked.job.submitted_at is not None


def test_the_walks_reach_every_transition_and_third_attempts():
    walks: list[Walk] = []

    @MANY
    @given(WALKS)
    def collect(walked: Walk) -> None:
        walks.append(walked)

    collect()

    assert {name for walked in walks for name in walked.taken} == {*TRANSITIONS, PUBLISH}
    assert max(walked.job.attempt for walked in walks) > 2
    assert max(len(walked.claims) for walked in walks) > 3


def test_a_walk_that_submits_a_charged_attempt_again_fails():
    walked = Walk(job=full_job(JobStatus.DEFERRED), may_be_charged={2})

    with pytest.raises(AssertionError, match="was or may have been charged"):
        walked.take("claim")
