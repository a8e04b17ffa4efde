"""The event bus that our events go to."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropreel.errors import PublishFault
from dropreel.events import SOURCE

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient


@dataclass(frozen=True)
class EventBus:
    """Publishes events, one a call."""

    client: "EventBridgeClient"
    bus: str

    def publish(self, event_type: str, detail: dict[str, Any]) -> None:
        """Put one event on the bus. Raises PublishFault where the bus answers that it did not take it."""
        answer = self.client.put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": event_type,
                    "Detail": json.dumps(detail, ensure_ascii=False),
                    "EventBusName": self.bus,
                    "Resources": [f"arn:aws:s3:::{detail['data']['image']['bucket']}"],
                }
            ]
        )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            raise PublishFault(f"{event_type} was not taken: {entry.get('ErrorCode')} {entry.get('ErrorMessage')}")
