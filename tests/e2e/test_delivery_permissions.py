"""What logs, traces, and rules' deliveries need: without any one permission or statement, it is refused or lost."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from dropreel.domain.executions import EXECUTION_ENDED
from dropreel.domain.job import JobStatus
from tests.e2e.conftest import Account
from tests.e2e.engine_log_delivery import traced_names
from tests.e2e.roles import without
from tests.e2e.test_permissions import LOG_DELIVERY, OF_SERVICES, SAMPLING, TRACES
from tests.e2e.test_service_permissions import STILL_SECONDS, logged, queues_without_rules, wait_for, waiting_in

FUNCTIONS = [role for role in OF_SERVICES if role != "GenerateVideo"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", sorted(LOG_DELIVERY))
def test_without_a_permission_for_its_log_a_state_machine_is_not_deployed(account: Account, action: str) -> None:
    machines, arn = account.client("stepfunctions"), account.stack.outputs["StateMachineArn"]
    definition = machines.describe_state_machine(stateMachineArn=arn)["definition"]

    with without(account, "GenerateVideo", action, 0), pytest.raises(ClientError) as refused:
        machines.update_state_machine(stateMachineArn=arn, definition=definition)

    assert "is not authorized to access the Log Destination" in str(refused.value)
    machines.update_state_machine(stateMachineArn=arn, definition=definition)


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", TRACES)
@pytest.mark.parametrize("role", FUNCTIONS)
def test_without_a_permission_for_traces_a_function_is_not_deployed(account: Account, role: str, action: str) -> None:
    functions, name = account.client("lambda"), account.physical(f"{role}Function")

    with without(account, role, action, 0), pytest.raises(ClientError) as refused:
        functions.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})

    assert f"does not have permissions to call {action.removeprefix('xray:')} on XRAY" in str(refused.value)
    functions.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", [*TRACES, *SAMPLING])
def test_without_a_permission_for_traces_an_execution_is_not_traced(account: Account, action: str) -> None:
    machine = account.stack.outputs["StateMachineArn"].rpartition(":")[2]

    def made_video() -> list[str]:
        since, key = datetime.now(UTC), account.new_key()
        account.put(key)
        job = account.ended(key)
        execution = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        describe = account.client("stepfunctions").describe_execution
        wait_for(lambda: describe(executionArn=f"{execution}:{job.job_id}-1")["status"] == "SUCCEEDED")
        time.sleep(0.5)
        return traced_names(account.client("xray"), since - timedelta(milliseconds=1))

    with without(account, "GenerateVideo", action, 0):
        assert machine not in made_video()

    assert machine in made_video()


@pytest.mark.exhaustive
def test_with_its_permissions_a_function_is_traced(account: Account) -> None:
    since, key = datetime.now(UTC), account.new_key()
    account.put(key)
    account.ended(key)

    traced = {account.physical(f"{role}Function") for role in ("SubmitGeneration", "CheckStatus", "DeliverVideo")}
    wait_for(lambda: traced <= set(traced_names(account.client("xray"), since)))


@contextmanager
def without_invocation(account: Account, role: str) -> Iterator[None]:
    """Take from a function's policy what allows its rule to invoke it, until the block ends."""
    functions, name = account.client("lambda"), account.physical(f"{role}Function")
    (statement,) = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    ((source,),) = (keys.values() for keys in statement["Condition"].values())
    functions.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    try:
        yield
    finally:
        functions.add_permission(
            FunctionName=name, StatementId=statement["Sid"], Action=statement["Action"],
            Principal="events.amazonaws.com", SourceArn=source,
        )  # fmt: skip


def _abort_a_generation(account: Account) -> dict[str, str]:
    """Abort the execution of a generation that does not end; return the image's key and the execution's name."""
    account.simulator.set_faults([{"on": "submit", "do": {"kind": "stuck"}}])
    key = account.new_key()
    account.put(key)
    job = account.job_when(key, lambda one: one.status is JobStatus.GENERATING)
    account.simulator.clear_faults()
    name = f"{job.job_id}-1"
    arn = account.stack.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:") + f":{name}"
    wait_for(lambda: _is_running(account, arn))
    account.client("stepfunctions").stop_execution(executionArn=arn)
    return {"key": key, "name": name, "executionArn": arn, "status": "ABORTED"}


def _is_running(account: Account, execution: str) -> bool:
    try:
        return bool(account.client("stepfunctions").describe_execution(executionArn=execution)["status"] == "RUNNING")
    except ClientError:
        return False


@pytest.mark.exhaustive
def test_without_its_statement_an_aborted_execution_is_not_reported(account: Account) -> None:
    before = waiting_in(account, "FailedInvocationsQueue")
    with without_invocation(account, "ReportFailure"):
        with queues_without_rules(account, "FailedInvocationsQueue"):
            lost = _abort_a_generation(account)
            time.sleep(STILL_SECONDS)
            assert waiting_in(account, "FailedInvocationsQueue") == before
        kept = _abort_a_generation(account)
        wait_for(lambda: waiting_in(account, "FailedInvocationsQueue") > before)
        for one in (lost, kept):
            assert account.jobs_of(one["key"])[0].status is JobStatus.GENERATING

    assert account.ended(_abort_a_generation(account)["key"]).status is JobStatus.FAILED
    for one in (lost, kept):  # no later test finds them
        event = json.dumps({"detail-type": EXECUTION_ENDED, "detail": one})
        account.client("lambda").invoke(FunctionName=account.physical("ReportFailureFunction"), Payload=event.encode())


@pytest.mark.exhaustive
def test_without_its_statement_the_schedule_sweeps_nothing(account: Account) -> None:
    """The schedule's rule gets a pattern for the test: it keeps its ARN, and no test waits for five minutes."""
    events, name = account.client("events"), account.physical("SweepJobsFunctionSchedule").rpartition("|")[2]
    before = events.describe_rule(Name=name)

    def sweep() -> None:
        events.put_events(Entries=[{"Source": "test.sweep", "DetailType": "Sweep", "Detail": "{}"}])

    events.put_rule(Name=name, EventPattern='{"source": ["test.sweep"]}')
    try:
        failed, swept = waiting_in(account, "FailedInvocationsQueue"), logged(account, "SweepJobs")
        with without_invocation(account, "SweepJobs"):
            with queues_without_rules(account, "FailedInvocationsQueue"):
                sweep()
                time.sleep(STILL_SECONDS)
            assert waiting_in(account, "FailedInvocationsQueue") == failed
            sweep()
            wait_for(lambda: waiting_in(account, "FailedInvocationsQueue") == failed + 1)
            assert logged(account, "SweepJobs") == swept

        sweep()
        wait_for(lambda: logged(account, "SweepJobs") > swept)
    finally:
        events.put_rule(Name=name, ScheduleExpression=before["ScheduleExpression"], Description=before["Description"])


@pytest.mark.exhaustive
@pytest.mark.parametrize("queue", ["MailQueue", "WebhookQueue"])
def test_without_its_statement_a_notification_becomes_a_dead_letter(account: Account, queue: str) -> None:
    account.simulator.set_faults([{"on": "submit", "do": {"kind": "fail", "error": "no"}}])
    before = waiting_in(account, "NotificationDeadLetterQueue")

    def fail_a_job() -> None:
        key = account.new_key()
        account.put(key)
        assert account.ended(key).status is JobStatus.FAILED
        time.sleep(STILL_SECONDS)

    with queues_without_rules(account, queue):
        with queues_without_rules(account, "NotificationDeadLetterQueue"):
            fail_a_job()
        assert waiting_in(account, "NotificationDeadLetterQueue") == before
        fail_a_job()
        assert waiting_in(account, "NotificationDeadLetterQueue") > before
    found = waiting_in(account, "NotificationDeadLetterQueue")
    fail_a_job()
    assert waiting_in(account, "NotificationDeadLetterQueue") == found
    account.client("sqs").purge_queue(QueueUrl=account.physical("NotificationDeadLetterQueue"))
