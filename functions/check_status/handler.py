"""CheckStatus: one poll of one generation."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import work_on
from dropreel.domain.executions import decode_generation
from dropreel.logs import logged, logger
from dropreel.wiring import check_status

check_status()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the state machine's state; return the outcome that it branches on."""
    generation = decode_generation(event)
    work_on(generation.job_id, generation.generation_id)
    outcome = check_status().run(generation)
    reason = outcome.get("reason", {}).get("code")  # its texts can quote the prompt, and no log is ever redacted
    logger.info("done", outcome=outcome["outcome"], reason=reason)
    return outcome
