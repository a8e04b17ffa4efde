"""Jobs of the local cloud that an operator decides about."""

from typing import Any

from dropreel.domain.job import Job, JobStatus, execution_name
from tests.e2e.conftest import Account

CUT_AND_PAID = {"on": "submit", "times": 1, "do": {"kind": "cut", "paid": True}}
CUT_AND_UNPAID = {"on": "submit", "times": 1, "do": {"kind": "cut"}}


def failed_job(account: Account) -> Job:
    """Return a job that failed after its payment, since its execution was stopped. Its generation completes now."""
    account.simulator.set_pace(created_seconds=0, processing_seconds=3)
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.GENERATING and one.polls > 0)
    machine = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
    account.client("stepfunctions").stop_execution(executionArn=f"{machine}:{execution_name(job)}")
    failed = account.ended(key)
    assert failed.status is JobStatus.FAILED
    return failed


def unknown_job(account: Account, fault: dict[str, Any] = CUT_AND_PAID) -> Job:
    """Return a job whose submission got no answer."""
    account.simulator.set_faults([fault])
    key = account.new_key()
    account.put(key)
    job = account.ended(key)
    assert job.status is JobStatus.UNKNOWN
    return job
