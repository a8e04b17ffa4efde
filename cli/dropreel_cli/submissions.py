"""The queue's event source mapping: while it is disabled, no submission starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dropreel_cli.exits import CommandError
from dropreel_cli.stack_resources import StackResources

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

    from dropreel_cli.stack import Stack

_MAPPING = "SubmitGenerationFunctionQueue"
PAUSED_NOTICE = "PAUSED: no submission starts until `dropreel unpause`. What was submitted is polled and delivered."
_SETTLED = ("Enabled", "Disabled")
_IN_TRANSITION = ("ResourceInUseException", "ResourceConflictException")
_CHECK_SECONDS = 0.5
_MAX_SECONDS = 120
"""Lambda takes seconds to switch a mapping; after this long the command ends with the state."""


@dataclass(frozen=True)
class Submissions:
    """The event source mapping that hands images from the submission queue to Submit Generation."""

    client: LambdaClient
    mapping_id: str

    @classmethod
    def of(cls, stack: Stack, resources: StackResources | None = None) -> Submissions:
        """Return the stack's mapping; its resources are listed where they are not given. Raises CommandError, botocore's errors."""
        return cls(stack.client("lambda"), (resources or StackResources.of(stack))[_MAPPING])

    @property
    def state(self) -> str:
        """Return Lambda's word for its state: `Enabled`, `Disabled`, or one on the way between them."""
        return self.client.get_event_source_mapping(UUID=self.mapping_id)["State"]

    @property
    def is_paused(self) -> bool:
        """Whether no submission starts."""
        return self.state in ("Disabled", "Disabling")

    def enable(self, enabled: bool) -> None:
        """Switch it on or off. It takes effect within seconds; what a function has received, it still submits."""
        self.client.update_event_source_mapping(UUID=self.mapping_id, Enabled=enabled)

    def switch(
        self,
        enabled: bool,
        on_check: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> str:
        """Switch it on or off and wait until Lambda says so; return that state. Switching twice is the same as once.

        `on_check` gets the state each time that it is not there yet. Raises CommandError after `_MAX_SECONDS`.
        """
        wanted = "Enabled" if enabled else "Disabled"
        is_requested = False
        for _ in range(int(_MAX_SECONDS / _CHECK_SECONDS)):
            state = self.state
            if state == wanted:
                return state
            if not is_requested and state in (*_SETTLED, "Updating"):
                is_requested = self._request(enabled)
            on_check(state)
            sleep(_CHECK_SECONDS)
        raise CommandError(
            f"Lambda has not switched the queue's event source mapping {self.mapping_id} to {wanted} within"
            f" {_MAX_SECONDS} seconds: it is {self.state}. Run the command again; it continues."
        )

    def _request(self, enabled: bool) -> bool:
        """Return whether Lambda took the request; it takes none while the mapping is being changed."""
        try:
            self.enable(enabled)
        except ClientError as error:
            if error.response["Error"]["Code"] in _IN_TRANSITION:
                return False
            raise
        return True
