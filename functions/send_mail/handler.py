"""SendMail: the messages that have gathered in its queue, as few mails as they have meanings."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.logs import logged, logger
from dropreel.wiring import send_mail

send_mail()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the queue's event; return the messages to retry."""
    messages = {record["messageId"]: json.loads(record["body"]) for record in event["Records"]}
    failed = send_mail().run(messages)
    logger.info("done", messages=len(messages), failed=len(failed))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
