"""Addresses of finished videos: signed, short-lived, and usable without the key."""

import hashlib
import hmac
import secrets
import time

from .contract import Refusal

_SALT_LETTERS = 16


class ResultLinks:
    """Signs and checks addresses. The secret is new in each run, so no address is valid after it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self.given: set[str] = set()
        """The signature of every address that was given out."""

    def link(self, base_url: str, identity: str, seconds: float) -> str:
        """A new address of a video under a base address, valid for `seconds` from now."""
        expires = str(int(time.time() + seconds))
        # The salt makes two addresses of the same second differ.
        signature = self._signature(identity, expires, secrets.token_hex(_SALT_LETTERS // 2))
        self.given.add(signature)
        return f"{base_url.rstrip('/')}/results/{identity}.mp4?expires={expires}&signature={signature}"

    def check(self, identity: str, expires: str, signature: str) -> None:
        """Raises Refusal (403) for an address with a wrong signature, or one that has expired."""
        expected = self._signature(identity, expires, signature[:_SALT_LETTERS])
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise Refusal(403, "bad_signature", "The signature of this address is wrong.")
        if int(expires) <= time.time():
            raise Refusal(403, "expired", "This address has expired.")

    def _signature(self, identity: str, expires: str, salt: str) -> str:
        return salt + hmac.new(self._secret, f"{salt} {identity} {expires}".encode(), hashlib.sha256).hexdigest()
