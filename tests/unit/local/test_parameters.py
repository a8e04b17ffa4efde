"""The parameters of a local stack."""

from dropreel_cli.parameters import read_parameters
from local.parameters import LOCAL_DEFAULTS, local_parameters


def test_a_local_stacks_parameters_are_valid() -> None:
    chosen = local_parameters("http://127.0.0.1:1", "key", {})
    known = read_parameters()

    assert chosen == {"NohumanApiKey": "key", "NohumanApiBaseUrl": "http://127.0.0.1:1", **LOCAL_DEFAULTS}
    assert set(chosen) <= set(known)
    assert [fault for name, value in chosen.items() if (fault := known[name].fault_of(value))] == []


def test_a_local_rehearsal_has_the_word_in_the_keys_place() -> None:
    assert local_parameters("http://127.0.0.1:1", "key", {"Rehearsal": "true"})["NohumanApiKey"] == "rehearsal"
    assert local_parameters("http://127.0.0.1:1", "key", {"Rehearsal": "false"})["NohumanApiKey"] == "key"
