"""SendWebhook: one message of its queue, one event to the owner's endpoint."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import work_on
from dropreel.logs import logged, logger
from dropreel.wiring import send_webhook

ENDED = ("delivered", "gone")

send_webhook()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the queue's event (batch size 1); return the message if it must be delivered again."""
    (record,) = event["Records"]
    message = json.loads(record["body"])
    data = message["detail"]["data"]
    work_on(data["job_id"], data["generation_id"])
    receives = int(record["attributes"]["ApproximateReceiveCount"])
    outcome = send_webhook().run(message, receives, record["receiptHandle"])
    logger.info("done", outcome=outcome, detail_type=message["detail-type"])
    return {"batchItemFailures": [] if outcome in ENDED else [{"itemIdentifier": record["messageId"]}]}
