"""The provider's API key, from Secrets Manager."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEEP_SECONDS = 300


@dataclass
class ApiKey:
    """Call it to get the key. It is kept for `KEEP_SECONDS`, so that a changed key is in use within minutes."""

    client: "SecretsManagerClient"
    secret_arn: str
    _value: str = field(default="", repr=False)
    _read_at: float = 0.0

    def __call__(self) -> str:
        """Return the key as it was at most `KEEP_SECONDS` ago."""
        if not self._value or time.monotonic() - self._read_at > KEEP_SECONDS:
            self._value = self.client.get_secret_value(SecretId=self.secret_arn)["SecretString"].strip()
            self._read_at = time.monotonic()
        return self._value
