"""Send the webhook of one event."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from dropreel.domain.webhooks import MAX_RECEIVES, body_of, headers_of, retry_seconds

if TYPE_CHECKING:
    from dropreel.use_cases.ports import WebhookEndpoint, WebhookQueue

DELIVERED = "delivered"
GONE = "gone"
RETRIED = "retried"
FAILED = "failed"

logger = logging.getLogger("dropreel")


@dataclass(frozen=True)
class SendWebhook:
    """Called with each message of the webhook queue, up to MAX_RECEIVES times until the endpoint answers 2xx.

    `secret` returns the endpoint's secret. `queue` hides a failed message until its next delivery.
    """

    endpoint: "WebhookEndpoint"
    queue: "WebhookQueue"
    secret: Callable[[], str]
    now: Callable[[], datetime]

    def run(self, event: Mapping[str, Any], receives: int, receipt_handle: str) -> str:
        """Return the outcome. `delivered` and `gone` (410: the endpoint wants no more) end the message.

        `retried` and `failed` (the last time) do not: the message is then visible again after its delay.
        """
        answer = None
        try:
            body = body_of(event)
            answer = self.endpoint.post(body, headers_of(event, body, self.secret(), int(self.now().timestamp())))
            if answer.status // 100 == 2:
                return DELIVERED
            if answer.status == HTTPStatus.GONE:
                logger.warning("the endpoint is gone")
                return GONE
            logger.warning("the endpoint refused", extra={"http_status": answer.status, "receives": receives})
        except Exception:
            logger.exception("not delivered", extra={"receives": receives})
        self.queue.hide(receipt_handle, retry_seconds(receives, answer))
        return RETRIED if receives < MAX_RECEIVES else FAILED
