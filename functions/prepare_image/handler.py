"""PrepareImage: one message of its queue, one image."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import work_on
from dropreel.domain.messages import decode_retry_message
from dropreel.logs import logged, logger
from dropreel.wiring import note_dead_letter, prepare_image

MAX_RECEIVES = 5  # the queue's maxReceiveCount: the next receive would find the message in the dead-letter queue

prepare_image()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Take the queue's event (batch size 1); return `{"outcome"}`. An exception brings the message back."""
    (record,) = event["Records"]
    message = decode_retry_message(json.loads(record["body"]))
    work_on(message.job_id)
    try:
        outcome = prepare_image().run(message)
    except Exception as error:
        if int(record["attributes"]["ApproximateReceiveCount"]) >= MAX_RECEIVES:
            note_dead_letter().run(message, f"{type(error).__name__}: {error}")
        raise
    logger.info("done", outcome=outcome)
    return {"outcome": outcome}
