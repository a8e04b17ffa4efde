"""The owner's endpoint for webhooks, the queue of webhooks, and the secret that signs them."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from dropreel.adapters.http import Deadline, open_session
from dropreel.domain.errors import SettingsError, WebhookFault
from dropreel.domain.retry_after import retry_after_seconds
from dropreel.domain.webhooks import WebhookAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from mypy_boto3_sqs import SQSClient

TIMEOUT = (5, 15)
"""Seconds to connect, and to wait for the status. The specification advises 15 to 30."""
SECONDS = 20
"""Seconds for one delivery."""
MAX_AGE_SECONDS = 300
"""How long the secret is cached: a rotated one is used after this time at most."""


class WebhookEndpoint:
    """Posts to `WebhookUrl`. An https address must be public; http is for this machine alone, by the parameter's pattern."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, body: bytes, headers: "Mapping[str, str]") -> WebhookAnswer:
        """Post once, without following redirects, and return the status and `Retry-After`. The response's body is not read.

        Raises WebhookFault without the address: its path may hold a token.
        """
        is_public = urlsplit(self.url).scheme == "https"
        try:
            with Deadline(SECONDS) as deadline, open_session(deadline, public_only=is_public) as session:
                with session.post(
                    self.url, data=body, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False, stream=True
                ) as response:
                    answer = WebhookAnswer(response.status_code, retry_after_seconds(response.headers))
                if deadline.expired:  # the status may be cut
                    raise requests.Timeout
                return answer
        except requests.RequestException as error:
            why = "its address is not public" if "is not public" in str(error) else type(error).__name__
            raise WebhookFault(f"the endpoint did not answer: {why}") from None


class WebhookQueue:
    """Hides messages of the webhook queue between two deliveries. `client` returns the client and is called on first use."""

    def __init__(self, client: "Callable[[], SQSClient]", url: str) -> None:
        self.client = client
        self.url = url

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again after `seconds`, at most 12 hours."""
        self.client().change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )


class WebhookSecret:
    """Call it to get the secret's text, at most `MAX_AGE_SECONDS` old. `secrets` returns the provider of secrets."""

    def __init__(self, secrets: "Callable[[], SecretsProvider]", secret_arn: str) -> None:
        self.secrets = secrets
        self.secret_arn = secret_arn

    def __call__(self) -> str:
        """Return the text. Raises Powertools' GetParameterError where it cannot be read."""
        secret = self.secrets().get(self.secret_arn, max_age=MAX_AGE_SECONDS)
        if not isinstance(secret, str):
            raise SettingsError("the webhook's secret holds binary data; it must hold text")
        return secret
