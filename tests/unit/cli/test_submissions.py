"""Pausing waits until Lambda says so, and takes a mapping that is being changed as it is."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel_cli.exits import CommandError, Exit
from dropreel_cli.submissions import Submissions


class FakeLambda:
    """Lambda with one event source mapping that passes through these states, one a look."""

    def __init__(self, *states: str, refusals: int = 0, code: str = "ResourceInUseException") -> None:
        self.states = list(states)
        self.refusals = refusals
        self.code = code
        self.requests: list[bool] = []

    def get_event_source_mapping(self, UUID: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert UUID == "mapping"
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": "in use"}}, "UpdateEventSourceMapping")
        self.requests.append(Enabled)


def _switch(client: Any, *, enabled: bool) -> tuple[str, list[str]]:
    seen: list[str] = []
    state = Submissions(client, "mapping").switch(enabled, seen.append, sleep=lambda _: None)
    return state, seen


def test_a_pause_asks_once_and_waits_until_lambda_says_disabled() -> None:
    client = FakeLambda("Enabled", "Disabling", "Disabling", "Disabled")

    assert _switch(client, enabled=False) == ("Disabled", ["Enabled", "Disabling", "Disabling"])
    assert client.requests == [False]


def test_a_paused_stack_is_not_asked_again() -> None:
    client = FakeLambda("Disabled")

    assert _switch(client, enabled=False) == ("Disabled", [])
    assert client.requests == []


def test_an_unpause_during_a_pause_waits_for_its_end_first() -> None:
    client = FakeLambda("Disabling", "Disabling", "Disabled", "Enabling", "Enabled")

    assert _switch(client, enabled=True)[0] == "Enabled"
    assert client.requests == [True]


def test_a_mapping_in_use_is_asked_again() -> None:
    client = FakeLambda("Enabled", "Enabled", "Enabled", "Disabled", refusals=2)

    assert _switch(client, enabled=False)[0] == "Disabled"
    assert client.requests == [False]


def test_other_refusals_of_lambda_end_it() -> None:
    client = FakeLambda("Enabled", refusals=1, code="AccessDeniedException")

    with pytest.raises(ClientError):
        _switch(client, enabled=False)


def test_a_mapping_that_never_settles_ends_with_its_state() -> None:
    with pytest.raises(CommandError, match=r"within 120 seconds: it is Updating\. Run the command again") as ended:
        _switch(FakeLambda("Updating"), enabled=False)

    assert ended.value.exit_status is Exit.FAILED


@pytest.mark.parametrize(
    ("state", "is_paused"), [("Enabled", False), ("Enabling", False), ("Disabling", True), ("Disabled", True)]
)
def test_it_is_paused_from_the_moment_that_lambda_disables_it(state: str, is_paused: bool) -> None:
    client: Any = FakeLambda(state)

    assert Submissions(client, "mapping").is_paused is is_paused
