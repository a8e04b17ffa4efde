"""The function of Check Status: what it returns to the state machine, and what it logs."""

import importlib
import json
import sys
from typing import Any

import pytest

from dropreel import wiring
from dropreel.domain.reasons import Reason, ReasonCode
from tests.support.sample_events import load_event

STEP = "functions.check_status.handler"
WORDS = "Anna dances in Lindau"
REASON = Reason(ReasonCode.GENERATION_FAILED, f"It said {WORDS}", provider_error=WORDS).as_json()


class Context:
    """The context object that Lambda passes to a handler."""

    function_name = "check"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:check"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"


def test_no_words_of_the_provider_are_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: list[dict[str, Any]] = [{"outcome": "waiting"}, {"outcome": "failed", "reason": REASON}]

    class Step:
        def run(self, _: object) -> dict[str, Any]:
            return outcomes[0]

    monkeypatch.setattr(wiring, "check_status", Step)
    monkeypatch.delitem(sys.modules, STEP, raising=False)
    handler: Any = importlib.import_module(STEP).handler
    event = load_event("check_status")

    assert handler(event, Context()) == outcomes[0]
    assert handler(event, Context()) == outcomes.pop(0)
    assert handler(event, Context()) == outcomes[0]

    sys.modules.pop(STEP)
    text = capsys.readouterr().out
    lines = [json.loads(each) for each in text.splitlines() if '"done"' in each]
    assert [(line["outcome"], line.get("reason")) for line in lines] == [
        *[("waiting", None)] * 2,
        ("failed", "generation_failed"),
    ]
    assert WORDS not in text
