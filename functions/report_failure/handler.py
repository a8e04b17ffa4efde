"""ReportFailure: why a paid job brings no video."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.messages import EXECUTION_ENDED, ended_execution_of, generation_of, reason_of
from dropreel.wiring import report_failure

logger = Logger(service="dropreel")
report_failure()  # while the function starts, not while its first event waits


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the state machine's state, or the event that an execution has ended; return the outcome."""
    if event.get("detail-type") == EXECUTION_ENDED:
        ended = ended_execution_of(event)
        outcome = {"outcome": "ignored"} if ended is None else report_failure().execution_ended(ended)
        logger.info("done", execution=event["detail"]["name"], **outcome)
        return outcome
    generation = generation_of(event)
    logger.append_keys(job_id=generation.job_id, generation_id=generation.generation_id)
    outcome = report_failure().run(generation, reason_of(event))
    logger.info("done", **outcome)
    return outcome
