"""Limits and retry rules of the provider: what its document says, and our assumptions where it is silent."""

from datetime import timedelta

from dropreel.domain.backoff import backoff_seconds

MAX_IMAGE_BYTES = 10_000_000
"""The provider's "10 MB", in the stricter reading."""
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WebP": "image/webp"}
"""The media type of each format that the provider takes."""
SUBMIT_TIMEOUT = (5, 30)
"""Seconds to connect, and for each read."""
SUBMIT_SECONDS = 45
"""Seconds for a whole submission, reading its answer included. The function has 100."""
POLL_TIMEOUT = (3, 10)
"""Seconds to connect, and for each read."""
POLL_SECONDS = 20
"""Seconds for a whole poll. The function has 30."""
MAX_RETRY_AFTER_SECONDS = 86_400
"""The longest `Retry-After` that is followed: a limit of ours."""
MIN_RETRY_AFTER_SECONDS = 5
"""The shortest `Retry-After` that is followed: a limit of ours."""
OPERATOR_RETRY_SECONDS = 900
"""Seconds until the next try after a refused key or without balance: both wait for the operator."""
NOT_FOUND_FOR = timedelta(minutes=5)
"""A generation counts as lost when every poll was answered 404 for this long."""


def busy_seconds(retry_after: int | None, tries: int, random: float) -> int:
    """Return the seconds to wait for a busy provider: its `Retry-After`, or else our own backoff.

    `retry_after` is in seconds, None without one. Below MIN_RETRY_AFTER_SECONDS it counts as that, or as our backoff if longer.
    """
    if retry_after is None:
        return backoff_seconds(tries, random)
    if retry_after < MIN_RETRY_AFTER_SECONDS:
        return max(MIN_RETRY_AFTER_SECONDS, backoff_seconds(tries, random))
    return retry_after
