"""A fake Step Functions that interprets statemachine/generate_video.asl.json: its states, retries and catches."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.integration.conftest import STEPS
from tests.lint.rendered_state_machine import rendered

POLL_SECONDS = 20
DEFINITION: dict[str, Any] = json.loads(rendered({"PollIntervalSeconds": str(POLL_SECONDS)}))
ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
"""The statuses of the rule ExecutionEnded of ReportFailureFunction; such an execution can be redriven."""


class StepFault(Exception):
    """A step raised, crashed, or took too long."""


@dataclass
class Execution:
    """One execution. `turn` grows whenever it is stopped or redriven: results of earlier turns are ignored.

    `at_work` is the turn that a function runs for.
    """

    name: str
    input: str
    data: dict[str, Any]
    at: str
    due: datetime
    status: str = "RUNNING"
    failures: int = 0
    turn: int = 0
    at_work: int = -1
    bad_ends: list[str] = field(default_factory=list)


@dataclass
class StateMachine:
    """All executions. `ended` is called for each that ended badly; `skip_until` returns until when a step is sure to fail."""

    invoke: Callable[[str, dict[str, Any]], dict[str, Any]]
    now: Callable[[], datetime]
    ended: Callable[[Execution], None]
    skip_until: Callable[[str], datetime | None]
    executions: dict[str, Execution]

    def start(self, name: str, text: str) -> bool:
        """Start an execution; False where the name was used before, unless the same is still running."""
        if name in self.executions:
            there = self.executions[name]
            return there.status == "RUNNING" and there.input == text
        one = Execution(name, text, json.loads(text), "", self.now())
        self.executions[name] = one
        self._enter(one, DEFINITION["StartAt"])
        return True

    def running(self) -> list[Execution]:
        """Return the running executions."""
        return [one for one in self.executions.values() if one.status == "RUNNING"]

    def waiting(self) -> list[Execution]:
        """Return the running executions for which no function runs."""
        return [one for one in self.running() if one.at_work != one.turn]

    def abort_all(self) -> None:
        """Stop every execution. A function that runs for one runs to its end; its result is ignored."""
        for one in self.running():
            self._end_badly(one, "ABORTED")

    def redrive_all(self) -> None:
        """Redrive each execution that ended badly, at its last state, with the same input and all its retries."""
        for one in self.executions.values():
            if one.status in ENDED_BADLY:
                one.status, one.failures, one.due = "RUNNING", 0, self.now()
                one.turn += 1

    def step(self, one: Execution) -> None:
        """Run the current task of an execution, with its retries and its catch."""
        state = DEFINITION["States"][one.at]
        step, turn = _step_of(state), one.turn
        one.at_work = turn
        try:
            answer = self.invoke(step, json.loads(json.dumps(one.data)))
        except StepFault as error:
            if one.turn == turn:
                one.at_work = -1
                self._failed(one, state, step, str(error))
            return
        if one.turn == turn:
            one.at_work = -1
            _put(one, state, answer)
            self._enter(one, state["Next"])

    def _failed(self, one: Execution, state: dict[str, Any], step: str, cause: str) -> None:
        (rule,) = state["Retry"]
        until = self.skip_until(step)
        due = self.now()
        while one.failures < rule["MaxAttempts"]:
            one.failures += 1
            pause = min(rule["IntervalSeconds"] * rule["BackoffRate"] ** (one.failures - 1), rule["MaxDelaySeconds"])
            due += timedelta(seconds=pause)
            # Of the tries that are sure to fail, the first three and the last are simulated.
            if until is None or due >= until or one.failures < 3 or one.failures == rule["MaxAttempts"]:
                one.due = due
                return
        if "Catch" not in state:
            self._end_badly(one, "FAILED")
            return
        (catch,) = state["Catch"]
        _put(one, catch, {"Error": "StepFault", "Cause": cause})
        self._enter(one, catch["Next"])

    def _end_badly(self, one: Execution, status: str) -> None:
        one.status = status
        one.turn += 1
        one.bad_ends.append(status)
        self.ended(one)

    def _enter(self, one: Execution, name: str) -> None:
        """Continue from a state to the next task, or to the end."""
        one.due, one.failures = self.now(), 0
        while True:
            one.at, state = name, DEFINITION["States"][name]
            match state["Type"]:
                case "Task":
                    return
                case "Succeed":
                    one.status = "SUCCEEDED"
                    return
                case "Pass":
                    _put(
                        one,
                        state,
                        {key.removesuffix(".$"): _evaluated(one, text) for key, text in state["Parameters"].items()},
                    )
                    name = state["Next"]
                case "Wait":
                    one.due += timedelta(seconds=_at(one.data, state["SecondsPath"]))
                    name = state["Next"]
                case "Choice":
                    fits = [
                        rule for rule in state["Choices"] if _at(one.data, rule["Variable"]) == rule["StringEquals"]
                    ]
                    name = fits[0]["Next"] if fits else state["Default"]
                case other:
                    raise AssertionError(f"not supported: a {other} state")


def step_now(one: Execution) -> str:
    """Return the current step of an execution."""
    return _step_of(DEFINITION["States"][one.at])


def _step_of(state: dict[str, Any]) -> str:
    return STEPS[state["Resource"].rpartition(":")[2].removesuffix("FunctionArn")]


def _put(one: Execution, state: dict[str, Any], result: dict[str, Any]) -> None:
    one.data[state["ResultPath"].removeprefix("$.")] = result


def _at(data: Any, path: str) -> Any:
    for name in path.removeprefix("$.").split("."):
        data = data[name]
    return data


def _evaluated(one: Execution, expression: str) -> Any:
    """Evaluate one of the few expressions of the definition."""
    if expression == "$$.Execution.Name":
        return one.name
    found = re.fullmatch(r"States\.StringToJson\('(.*)'\)", expression)
    assert found is not None, f"not supported: {expression}"
    return json.loads(found[1])
