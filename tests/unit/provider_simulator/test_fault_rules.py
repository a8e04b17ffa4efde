"""Which rule acts on which call, and which rules are refused."""

from typing import Any

import pytest
import requests
from pydantic import TypeAdapter

from local.provider_simulator.faults import FaultRule, FaultScript, StatusFault
from local.provider_simulator.process import RunningSimulator

from .provider_caller import KEY


def script_of(*rules: dict[str, Any], seed: int = 1) -> FaultScript:
    script = FaultScript(seed)
    script.replace(TypeAdapter(list[FaultRule]).validate_python(rules))
    return script


def status(code: int, **rule: Any) -> dict[str, Any]:
    return {"on": "submit", "do": {"kind": "status", "status": code}, **rule}


def statuses(script: FaultScript, prompts: list[str]) -> list[int | None]:
    chosen = [script.choose("submit", prompt) for prompt in prompts]
    return [fault.status if isinstance(fault, StatusFault) else None for fault in chosen]


def test_a_rule_skips_some_calls_then_acts_the_given_times() -> None:
    script = script_of(status(500, skip=2, times=3))

    assert statuses(script, ["a"] * 7) == [None, None, 500, 500, 500, None, None]


def test_a_rule_without_times_acts_on_every_call() -> None:
    assert statuses(script_of(status(500)), ["a"] * 50) == [500] * 50


def test_the_first_rule_that_matches_and_has_times_left_acts() -> None:
    script = script_of(status(429, times=1), status(500, times=1), status(503))

    assert statuses(script, ["a"] * 4) == [429, 500, 503, 503]


def test_a_rule_may_be_narrowed_to_a_prompt() -> None:
    script = script_of(status(500, when={"prompt_contains": "cat"}))

    assert statuses(script, ["a cat sleeps", "a dog", "concatenate", "Cat"]) == [500, None, 500, None]


def test_a_rule_may_be_narrowed_to_a_generation() -> None:
    cut = {"on": "poll", "do": {"kind": "cut"}, "when": {"generation_id": "gen_img2v_a"}}
    script = script_of(cut)

    assert script.choose("poll", "prompt", "gen_img2v_b") is None
    assert script.choose("poll", "prompt", "gen_img2v_a") is not None
    assert script.choose("download", "prompt", "gen_img2v_a") is None


def test_a_probability_is_kept_and_its_draws_repeat_with_the_seed() -> None:
    rule = status(500, probability=0.3)

    first = statuses(script_of(rule, seed=5), ["a"] * 1000)

    assert 250 < first.count(500) < 350
    assert statuses(script_of(rule, seed=5), ["a"] * 1000) == first
    assert statuses(script_of(rule, seed=6), ["a"] * 1000) != first


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"on": "upload", "do": {"kind": "cut"}}, "on: Input should be 'submit', 'poll' or 'download'"),
        ({"on": "submit", "do": {"kind": "explode"}}, "'explode'"),
        ({"on": "submit"}, "do: Field required"),
        ({"on": "submit", "do": {"kind": "status"}}, "status: Field required"),
        ({"on": "submit", "do": {"kind": "status", "status": 99}}, "greater than or equal to 200"),
        ({"on": "submit", "do": {"kind": "cut", "paid": "yes"}}, "valid boolean"),
        ({"on": "submit", "do": {"kind": "cut", "seconds": 1}}, "seconds: Extra inputs"),
        ({"on": "submit", "do": {"kind": "cut"}, "times": 0}, "times: Input should be greater than or equal to 1"),
        ({"on": "submit", "do": {"kind": "cut"}, "skip": -1}, "skip: Input should be greater than or equal to 0"),
        ({"on": "submit", "do": {"kind": "cut"}, "probability": 2}, "probability: Input should be less than"),
        ({"on": "submit", "do": {"kind": "cut"}, "when": {"mode": "hq"}}, "when.mode: Extra inputs"),
        ({"on": "submit", "do": {"kind": "cut"}, "when": {"generation_id": "x"}}, "cannot be known on 'submit'"),
        ({"on": "submit", "do": {"kind": "gzip"}}, "'gzip' does not work on 'submit'"),
        ({"on": "download", "do": {"kind": "stuck"}}, "'stuck' does not work on 'download'"),
        ({"on": "poll", "do": {"kind": "truncate", "bytes": 1}}, "'truncate' does not work on 'poll'"),
        ({"on": "poll", "do": {"kind": "cut", "paid": True}}, "do.paid has no meaning on 'poll'"),
    ],
)
def test_an_invalid_rule_is_refused_with_its_field(
    simulator: RunningSimulator, rule: dict[str, Any], message: str
) -> None:
    with pytest.raises(requests.HTTPError, match="422") as refused:
        simulator.client.set_faults([rule])

    assert message in refused.value.response.json()["error"]["message"]


def test_a_refused_script_leaves_the_rules_in_force(simulator: RunningSimulator) -> None:
    simulator.client.set_faults([{"on": "poll", "do": {"kind": "status", "status": 418}}])
    with pytest.raises(requests.HTTPError):
        simulator.client.set_faults([{"on": "nowhere"}])

    assert _poll(simulator).status_code == 418
    simulator.client.clear_faults()
    assert _poll(simulator).status_code == 404


@pytest.mark.parametrize("pace", [{"created_seconds": -1}, {"speed": 2}, {"processing_seconds": True}])
def test_an_invalid_pace_is_refused(simulator: RunningSimulator, pace: dict[str, float]) -> None:
    with pytest.raises(requests.HTTPError, match=next(iter(pace))):
        simulator.client.set_pace(**pace)


def _poll(simulator: RunningSimulator) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}"}
    return requests.get(f"{simulator.base_url}/v1/videos/generations/gen_img2v_x", headers=headers, timeout=10)
