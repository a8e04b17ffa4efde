"""Why a job has its status: a code for machines, a message for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from dropreel.domain.redaction import redact_signed


class ReasonCode(StrEnum):
    """Every `reason.code`, in the order of the steps of a job."""

    REQUEST_INVALID = "request_invalid"
    REQUEST_ID_REUSED = "request_id_reused"
    BUCKET_NOT_ALLOWED = "bucket_not_allowed"
    IMAGE_KEY = "image_key"
    IMAGE_MISSING = "image_missing"
    IMAGE_SUPERSEDED = "image_superseded"
    IMAGE_ARCHIVED = "image_archived"
    IMAGE_ENCRYPTED = "image_encrypted"
    IMAGE_KMS_KEY = "image_kms_key"
    IMAGE_EMPTY = "image_empty"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_TOO_MANY_PIXELS = "image_too_many_pixels"
    IMAGE_FORMAT = "image_format"
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_DAMAGED = "image_damaged"
    IMAGE_POLYGLOT = "image_polyglot"
    OPTIONS_INVALID = "options_invalid"
    DUPLICATE_COPY = "duplicate_copy"
    OVER_DAILY_LIMIT = "over_daily_limit"
    DAILY_LIMIT = "daily_limit"
    PROVIDER_BUSY = "provider_busy"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_BALANCE = "provider_balance"
    KEY_REFUSED = "key_refused"
    DEAD_LETTER = "dead_letter"
    WAITED_TOO_LONG = "waited_too_long"
    PROVIDER_REFUSED = "provider_refused"
    SUBMISSION_UNKNOWN = "submission_unknown"
    GENERATION_FAILED = "generation_failed"
    CONTENT_REFUSED = "content_refused"
    GENERATION_NOT_FOUND = "generation_not_found"
    TIMED_OUT = "timed_out"
    CHECK_FAILED = "check_failed"
    WATCH_ENDED = "watch_ended"
    DELIVERY_FAILED = "delivery_failed"
    VIDEO_WITHOUT_MEDIA = "video_without_media"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Reason:
    """Why a job has its status.

    `messages` has each fault separately where there are several; `message` has all of them. `provider_error` is the
    provider's own error text. A single fault is only in `message`, so that a reason is equal before and after storage.
    Signed URLs are removed from every text.
    """

    code: ReasonCode
    message: str
    messages: tuple[str, ...] = ()
    provider_error: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact_signed(self.message))
        messages = tuple(redact_signed(message) for message in self.messages)
        object.__setattr__(self, "messages", () if messages == (self.message,) else messages)
        if self.provider_error is not None:
            object.__setattr__(self, "provider_error", redact_signed(self.provider_error))

    def as_json(self) -> dict[str, Any]:
        """Return the reason as JSON for events and the job table."""
        return {
            "code": self.code.value,
            "message": self.message,
            "messages": list(self.messages or (self.message,)),
            "provider_error": self.provider_error,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """Return the reason from its `as_json` form."""
        messages = tuple(stored.get("messages") or ())
        return cls(ReasonCode(stored["code"]), stored["message"], messages, stored.get("provider_error"))
