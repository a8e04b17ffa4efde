"""The provider's API key, from Secrets Manager through the cache of Powertools."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.parameters import SecretsProvider

MAX_AGE_SECONDS = 300


@dataclass(frozen=True)
class ApiKey:
    """Call it to get the key, at most `MAX_AGE_SECONDS` old. A read that fails is not cached.

    `secrets` returns the provider of secrets when it is first needed.
    """

    secrets: "Callable[[], SecretsProvider]"
    secret_arn: str

    def __call__(self) -> str:
        """Return the key without white space around it. Raises Powertools' GetParameterError where it cannot be read."""
        secret = self.secrets().get(self.secret_arn, max_age=MAX_AGE_SECONDS)
        if not isinstance(secret, str):
            raise SettingsError("the secret of the API key holds binary data; it must hold text")
        return secret.strip()
