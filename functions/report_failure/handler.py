"""ReportFailure: a generation that brought no video."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import work_on
from dropreel.domain.executions import EXECUTION_ENDED, decode_ended_execution, decode_generation, failure_reason
from dropreel.logs import logged, logger
from dropreel.wiring import report_failure

report_failure()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the state machine's state, or the event that an execution has ended; return the outcome."""
    if event.get("detail-type") == EXECUTION_ENDED:
        ended = decode_ended_execution(event)
        outcome = {"outcome": "ignored"} if ended is None else report_failure().execution_ended(ended)
        logger.info("done", execution=event["detail"]["name"], **outcome)
        return outcome
    generation = decode_generation(event)
    work_on(generation.job_id, generation.generation_id)
    outcome = report_failure().run(generation, failure_reason(event))
    logger.info("done", **outcome)
    return outcome
