"""Webhooks after the Standard Webhooks specification: body, signature, and the delays between deliveries."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from dropreel.domain.errors import SettingsError

RETRY_SECONDS = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""The delay after each failed delivery, in seconds: 27.6 hours in all. SQS hides a message for at most 12 hours."""
LONGEST_SECONDS = 12 * 3600 - 60
"""The longest `Retry-After` that is followed. SQS counts its 12 hours from the receive on."""
MAX_RECEIVES = len(RETRY_SECONDS) + 1
"""Deliveries of one webhook: the `maxReceiveCount` of its queue."""
SECRET_PREFIX = "whsec_"  # noqa: S105 # nosec B105 # the specification's prefix, not a secret
SECRET_BYTES = range(24, 65)
"""Lengths of a secret, in bytes, by the specification."""


_BUSY = (429, 503)
"""The statuses whose `Retry-After` is followed."""


class WebhookAnswer(NamedTuple):
    """What the endpoint answered: the status, and the seconds of `Retry-After`; None without one."""

    status: int
    retry_after: int | None = None


def retry_seconds(receives: int, answer: WebhookAnswer | None = None) -> int:
    """Return the delay after a message's n-th failed delivery (`receives` counts from 1); 0 after the last one.

    The `Retry-After` of a busy endpoint makes it longer, never shorter: deliveries that follow each other quickly would
    soon use up all. `answer` is None where there was none.
    """
    if receives >= MAX_RECEIVES:
        return 0
    asked = answer.retry_after if answer is not None and answer.status in _BUSY else None
    return min(max(RETRY_SECONDS[receives - 1], asked or 0), LONGEST_SECONDS)


def body_of(event: Mapping[str, Any]) -> bytes:
    """Return the body of an event's webhook: its `detail`, with a type such as `video.generation.completed` and its time.

    It is the same at each delivery, in ASCII.
    """
    kind = str(event["detail-type"]).lower().replace(" ", ".")
    body = {"type": kind, "timestamp": event["time"], **event["detail"]}
    return json.dumps(body, separators=(",", ":")).encode()


def headers_of(event: Mapping[str, Any], body: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """Return the headers of one delivery. `timestamp` is when it is sent, in Unix seconds; `secret` may have several secrets.

    Raises SettingsError for a secret that cannot be used.
    """
    webhook_id = str(event["detail"]["metadata"]["id"])
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys_in(secret))
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }


def keys_in(secret: str) -> list[bytes]:
    """Return the keys of secrets that are separated by white space, each with or without `whsec_`. Raises SettingsError."""
    return [_key_of(one) for one in secret.split()] or [_key_of("")]


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError("the webhook's secret is not Base64, with or without whsec_ in front") from error
    if len(key) not in SECRET_BYTES:
        raise SettingsError(f"the webhook's secret has {len(key)} bytes; 24 to 64 are allowed")
    return key
