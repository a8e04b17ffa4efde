"""DeliverVideo: one finished video, copied into the videos bucket."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.executions import decode_generation
from dropreel.wiring import deliver_video

logger = Logger(service="dropreel")
deliver_video()  # in the init phase, not at the first event


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the state machine's state; return the outcome that it branches on."""
    generation = decode_generation(event)
    logger.append_keys(job_id=generation.job_id, generation_id=generation.generation_id)
    outcome = deliver_video().run(generation)
    logger.info("done", **outcome)
    return outcome
