"""The functions' settings: the only place that reads the environment."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dropreel.domain.errors import SettingsError

if TYPE_CHECKING:
    from dropreel.domain.prices import PriceTable
    from dropreel.domain.spending import SpendLimit


class Settings:
    """Environment variables that the template sets. A missing or invalid one raises SettingsError when it is read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    @classmethod
    def from_environment(cls) -> "Settings":
        """Return the settings of this process."""
        return cls(os.environ)

    @property
    def jobs_table(self) -> str:
        """The job table's name."""
        return self._text("JOBS_TABLE_NAME")

    @property
    def videos_bucket(self) -> str:
        """The videos bucket's name."""
        return self._text("VIDEOS_BUCKET_NAME")

    @property
    def image_buckets(self) -> frozenset[str]:
        """The buckets that images may be in."""
        return frozenset(name for name in self._text("IMAGE_BUCKET_NAMES").split(",") if name)

    @property
    def key_prefixes(self) -> dict[str, str]:
        """What the keys of a bucket's images must begin with, by bucket; a bucket without an entry takes every key."""
        bucket = self._text("EXISTING_UPLOADS_BUCKET_NAME", may_be_empty=True)
        prefix = self._text("UPLOADS_PREFIX", may_be_empty=True)
        return {bucket: prefix} if bucket and prefix else {}

    @property
    def stack_name(self) -> str:
        """The stack's name, for events and metrics."""
        return self._text("STACK_NAME")

    @property
    def event_bus(self) -> str:
        """The event bus's name."""
        return self._text("EVENT_BUS_NAME")

    @property
    def state_machine_arn(self) -> str:
        """The ARN of the state machine that polls a generation."""
        return self._text("STATE_MACHINE_ARN")

    @property
    def api_key_secret_arn(self) -> str:
        """The ARN of the secret that holds the provider's API key."""
        return self._text("API_KEY_SECRET_ARN")

    @property
    def api_base_url(self) -> str:
        """The provider's base address, without a slash at its end."""
        value = self._text("API_BASE_URL").rstrip("/")
        if not urlsplit(value).hostname:
            raise SettingsError(f"API_BASE_URL is {value!r}, not an address")
        return value

    @property
    def generation_timeout_seconds(self) -> int:
        """How long a generation may take, counted from its submission."""
        return 60 * self._number("GENERATION_TIMEOUT_MINUTES")

    @property
    def max_video_bytes(self) -> int:
        """The largest video that is delivered, in bytes."""
        return self._number("MAX_VIDEO_BYTES")

    @property
    def spend_table(self) -> str:
        """The spend table's name."""
        return self._text("SPEND_TABLE_NAME")

    @property
    def queue_url(self) -> str:
        """The submission queue's URL."""
        return self._text("QUEUE_URL")

    @property
    def prepare_queue_url(self) -> str:
        """The URL of the queue of images to prepare."""
        return self._text("PREPARE_QUEUE_URL")

    @property
    def prepared_bucket(self) -> str:
        """The name of the bucket of prepared images."""
        return self._text("PREPARED_BUCKET_NAME")

    @property
    def prepares_images(self) -> bool:
        """Whether an image that the provider would not take, or might show wrongly, is prepared."""
        return self._text("PREPARE_IMAGES") == "when-needed"

    @property
    def dead_letter_queue_url(self) -> str:
        """The dead-letter queue's URL."""
        return self._text("DEAD_LETTER_QUEUE_URL")

    @property
    def max_attempts(self) -> int:
        """The most submissions of a job that may be charged."""
        return self._number("MAX_ATTEMPTS")

    @property
    def spend_limit(self) -> "SpendLimit":
        """The daily spend limit."""
        from dropreel.domain.spending import SpendLimit

        value = self._text("DAILY_SPEND_LIMIT_USD")
        try:
            return SpendLimit.parse(value)
        except ValueError as error:
            raise SettingsError(f"DAILY_SPEND_LIMIT_USD: {error}") from error

    @property
    def prices(self) -> "PriceTable":
        """The provider's prices."""
        from dropreel.domain.prices import PriceTable

        try:
            return PriceTable.parse(self._text("PRICES_USD"))
        except ValueError as error:
            raise SettingsError(f"PricesUsd (PRICES_USD): {error}") from error

    @property
    def webhook_url(self) -> str:
        """The address that webhooks are sent to."""
        return self._text("WEBHOOK_URL")

    @property
    def webhook_secret_arn(self) -> str:
        """The ARN of the secret that signs webhooks."""
        return self._text("WEBHOOK_SECRET_ARN")

    @property
    def webhook_queue_url(self) -> str:
        """The URL of the queue of webhooks."""
        return self._text("WEBHOOK_QUEUE_URL")

    @property
    def mail_topic_arn(self) -> str:
        """The ARN of the topic whose subscribers get mails."""
        return self._text("MAIL_TOPIC_ARN")

    @property
    def resubmits_unknown(self) -> bool:
        """Whether a submission that may have been charged is sent again (`AmbiguousSubmitPolicy` is `resubmit`)."""
        return self._text("AMBIGUOUS_SUBMIT_POLICY") == "resubmit"

    @property
    def retries_content_refusals(self) -> bool:
        """Whether a generation that the provider's content check refused is submitted, and charged, again."""
        return self._text("RETRY_CONTENT_REFUSALS") == "true"

    @property
    def is_rehearsal(self) -> bool:
        """Whether new jobs are rehearsals: no provider and no cost."""
        return self._text("REHEARSAL") == "true"

    @property
    def default_options(self) -> dict[str, str]:
        """The stack's default options, as text."""
        from dropreel.domain.options import OPTION_NAMES

        return {name: self._text(f"DEFAULT_{name.upper()}", may_be_empty=True) for name in OPTION_NAMES}

    def _text(self, name: str, may_be_empty: bool = False) -> str:
        value = self.environment.get(name)
        if value is None or not (value or may_be_empty):
            raise SettingsError(f"the environment variable {name} is not set")
        return value

    def _number(self, name: str) -> int:
        value = self._text(name)
        if not (value.isascii() and value.isdecimal()):
            raise SettingsError(f"the environment variable {name} is {value!r}, not a whole number such as 90")
        return int(value)
