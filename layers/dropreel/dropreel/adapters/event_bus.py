"""The event bus that events are published on."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dropreel.domain.errors import PublishFault
from dropreel.domain.events import SOURCE

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


PAUSES = (0.2, 1.0)
"""Seconds before the second and the third try: `PutEvents` may answer 200 with a failed entry, which no SDK retries."""


class EventBus:
    """Publishes events, one a call. `stack` is the name of the stack that publishes them."""

    def __init__(
        self, client: "EventBridgeClient", bus: str, stack: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.client = client
        self.bus = bus
        self.stack = stack
        self.sleep = sleep

    def publish(self, event_type: str, detail: dict[str, Any]) -> None:
        """Put one event on the bus. Raises PublishFault where three tries fail."""
        for pause in (*PAUSES, None):
            refusal = self._put(event_type, detail)
            if refusal is None:
                return
            if pause is None:
                raise PublishFault(f"{event_type} was not taken: {refusal}")
            self.sleep(pause)

    def _put(self, event_type: str, detail: dict[str, Any]) -> str | None:
        bucket = f"arn:{self.client.meta.partition}:s3:::{detail['data']['image']['bucket']}"
        answer = self.client.put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": event_type,
                    "Detail": json.dumps(detail, ensure_ascii=False),
                    "EventBusName": self.bus,
                    "Resources": [bucket],
                }
            ]
        )
        if not answer["FailedEntryCount"]:
            return None
        entry = answer["Entries"][0]
        return f"{entry.get('ErrorCode')} {entry.get('ErrorMessage')}"
