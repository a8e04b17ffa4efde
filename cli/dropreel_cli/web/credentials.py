"""Credentials that are found again when the AWS files have changed: a board runs longer than a login.

botocore itself refreshes what it knows to expire (SSO, roles, processes). Keys of a profile that another program replaces
it reads once; here they are read again. Keys from the environment cannot change while a process runs.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel_cli.stack import Stack

_FILES = {
    "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials",
    "AWS_CONFIG_FILE": "~/.aws/config",
}


class RenewedCredentials(Credentials):
    """The credentials of a profile as its files have them now. `load` reads them; it returns None where there are none."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._state = _state_of_files()
        self._current = load()
        super().__init__("", "")  # each request asks for those of its moment

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the credentials for one request. Raises botocore's errors."""
        with self._lock:
            state = _state_of_files()
            if state != self._state or self._current is None:
                self._current = self._load()
                self._state = state
            current = self._current
        if current is None:
            raise NoCredentialsError
        try:
            found: ReadOnlyCredentials = current.get_frozen_credentials()
        except RuntimeError as error:  # "the refreshed credentials are still expired"
            raise CredentialRetrievalError(provider=str(current.method), error_msg=str(error)) from error
        return found


def with_renewed_credentials(stack: Stack, profile: str | None) -> Stack:
    """Return the stack with a session whose credentials follow the AWS files."""

    def load() -> Any:
        return botocore.session.Session(profile=profile).get_credentials()

    session = botocore.session.Session(profile=profile)
    session.get_component("credential_provider").providers.insert(0, _Provider(load))
    renewed: Any = boto3.Session(botocore_session=session, region_name=stack.session.region_name)
    return replace(stack, session=renewed)


class _Provider:
    """Gives a session these credentials, as botocore's own providers do."""

    METHOD = "renewed"
    CANONICAL_NAME = None

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load_current = load

    def load(self) -> RenewedCredentials:
        return RenewedCredentials(self._load_current)


def _state_of_files() -> tuple[tuple[int, int, int] | None, ...]:
    """Return what changes when one of the files is written."""
    return tuple(_state_of(Path(os.environ.get(name) or place).expanduser()) for name, place in _FILES.items())


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
