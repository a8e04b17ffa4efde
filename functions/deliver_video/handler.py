"""DeliverVideo: one finished video, copied into the videos bucket."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import work_on
from dropreel.domain.executions import decode_generation
from dropreel.logs import logged, logger
from dropreel.wiring import deliver_video

deliver_video()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the state machine's state; return the outcome that it branches on."""
    generation = decode_generation(event)
    work_on(generation.job_id, generation.generation_id)
    outcome = deliver_video().run(generation)
    logger.info("done", **outcome)
    return outcome
