"""SubmitGeneration: one message of the queue, one image."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.messages import drop_of
from dropreel.wiring import submit_generation

logger = Logger(service="dropreel")


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Take the queue's event (batch size 1); return `{"outcome"}`. An exception brings the message back."""
    (record,) = event["Records"]
    drop = drop_of(json.loads(record["body"]))
    logger.append_keys(bucket=drop.image.bucket, key=drop.image.key)
    outcome = submit_generation().run(drop)
    logger.info("done", outcome=outcome)
    return {"outcome": outcome}
