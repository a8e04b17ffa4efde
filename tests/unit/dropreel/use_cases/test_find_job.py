"""Which job a message belongs to: always the same one."""

from dataclasses import replace

from dropreel.domain.images import Image
from dropreel.domain.job import JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.use_cases.find_job import existing_job
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.sample_jobs import NOON


def test_an_uploads_job_is_as_its_event_says(stack: FakeStack):
    job = stack.find_job.run(DROP)

    assert job == stack.job
    assert job.image == Image("uploads", "holiday/beach.jpg", "v1", "e1", DROP.size)
    assert (job.job_id, job.status, job.created_at) == (JOB_ID, JobStatus.DEFERRED, NOON)
    assert (job.request_id, job.request_fingerprint, job.is_copy) == (None, None, False)


def test_a_job_that_began_with_a_copy_says_so(stack: FakeStack):
    assert stack.find_job.run(replace(DROP, is_copy=True)).is_copy is True


def test_a_duplicate_message_finds_the_same_job(stack: FakeStack):
    first = stack.find_job.run(DROP)

    assert stack.find_job.run(DROP) == stack.find_job.run(RetryMessage(JOB_ID, 1, 0)) == first


def test_each_request_with_a_reused_id_has_its_own_job(stack: FakeStack):
    """The same options under two request ids that were both used before: two requests, so two jobs."""
    requests = [
        replace(DROP, request_id=request_id, options={"mode": mode})
        for request_id in ("r1", "r2")
        for mode in ("fast", "hq")
    ]

    jobs = [stack.find_job.run(request) for request in requests]

    assert len({job.job_id for job in jobs}) == 4
    assert [job.request_id for job in jobs] == ["r1", "r1", "r2", "r2"]
    assert [stack.find_job.run(request) for request in requests] == jobs


def test_a_retry_message_of_a_discarded_job_has_no_job(stack: FakeStack):
    assert stack.find_job.run(RetryMessage(JOB_ID, 1, 0)) is None


def test_looking_creates_nothing_and_names_the_job_that_would_be(stack: FakeStack):
    get = stack.jobs.get
    first = replace(DROP, request_id="r1", options={"mode": "fast"})
    reused = replace(first, options={"mode": "hq"})
    job_id, none = existing_job(first, get)
    assert (none, stack.database.jobs()) == (None, [])

    created = stack.find_job.run(first)

    assert existing_job(first, get) == (job_id, created)
    other_id, none = existing_job(reused, get)
    assert none is None
    other = stack.find_job.run(reused)
    assert existing_job(reused, get) == (other_id, other)
    assert existing_job(RetryMessage(job_id, 1, 0), get) == (job_id, created)
