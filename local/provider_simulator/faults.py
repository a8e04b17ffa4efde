"""Scripted faults: rules for which call fails, how often, and how."""

import random
import threading
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .odd_videos import Oddity

Call = Literal["submit", "poll", "download"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Payable(_Strict):
    paid: bool = Field(False, description="On submit only: whether a generation is created and charged all the same.")


class StatusFault(_Payable):
    """Answers with a status. The default body is an error in the provider's shape.

    A body is JSON, or a string sent as it is, in the charset of `content_type`. `{image_url}` and `{api_key}` in it are
    replaced by the values that were sent: real providers repeat them.
    """

    kind: Literal["status"]
    status: int = Field(ge=200, le=599)
    headers: dict[str, str] = {}
    body: Any = None
    content_type: str | None = None


class CutFault(_Payable):
    """Closes the connection without an answer."""

    kind: Literal["cut"]


class SilenceFault(_Payable):
    """Never answers, and closes the connection after so many seconds."""

    kind: Literal["silence"]
    seconds: float = Field(gt=0)


class AnswerFault(_Payable):
    """Answers 200 with this body, as `StatusFault` does. Such a submission is paid by default."""

    kind: Literal["answer"]
    body: Any
    content_type: str = "application/json"
    paid: bool = Field(True, description="On submit only: whether a generation is created and charged.")


class DelayFault(_Strict):
    """Waits, then answers as usual."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0)


class FailFault(_Strict):
    """The generation ends as `failed`, with this error; `{image_url}` in it is replaced by what was sent."""

    kind: Literal["fail"]
    error: Any


class StuckFault(_Strict):
    """The generation stays `processing`."""

    kind: Literal["stuck"]


class ResultUrlFault(_Strict):
    """Returns exactly this address. Acts only on polls of a completed generation."""

    kind: Literal["result_url"]
    url: str


class ExpiredUrlFault(_Strict):
    """Returns an address that has already expired. Acts only on polls of a completed generation."""

    kind: Literal["expired_url"]


class TruncateFault(_Strict):
    """Sends the first bytes only: under the full Content-Length, under none, or in chunks that never end."""

    kind: Literal["truncate"]
    bytes: int = Field(ge=0)
    content_length: bool | Literal["chunked"] = True


class ExtendFault(_Strict):
    """Sends `bytes` more bytes after the video, `fill` repeated, without a Content-Length or with that of the whole."""

    kind: Literal["extend"]
    bytes: int = Field(gt=0)
    content_length: bool = False
    fill: str = Field("\x00junk", min_length=1)


class OddVideoFault(_Strict):
    """Sends a video with an oddity, with its Content-Length."""

    kind: Literal["odd"]
    oddity: Oddity


class BodyFault(_Strict):
    """Sends another body with status 200."""

    kind: Literal["body"]
    body: str
    content_type: str = "text/html"


class EmptyFault(_Strict):
    """Sends an empty video."""

    kind: Literal["empty"]


class DripFault(_Strict):
    """Sends the whole video, slowly."""

    kind: Literal["drip"]
    bytes_per_second: int = Field(gt=0)


class StallFault(_Strict):
    """Sends `after_bytes`, waits, then sends the rest."""

    kind: Literal["stall"]
    after_bytes: int = Field(ge=0)
    seconds: float = Field(gt=0)


class ResetFault(_Strict):
    """Sends `after_bytes`, then resets the connection (TCP RST)."""

    kind: Literal["reset"]
    after_bytes: int = Field(ge=0)


class PadFault(_Strict):
    """Sends the video with a `free` box of `bytes` at its end, still a valid video; or resets it on the way."""

    kind: Literal["pad"]
    bytes: int = Field(ge=8, lt=2**32)
    reset_after: int | None = Field(None, ge=0)


class GzipFault(_Strict):
    """Sends the video with Content-Encoding: gzip, compressed or not."""

    kind: Literal["gzip"]
    compressed: bool = True


class RedirectFault(_Strict):
    """Redirects to another address."""

    kind: Literal["redirect"]
    location: str
    status: Literal[301, 302, 303, 307, 308] = 302


Fault = (
    StatusFault
    | CutFault
    | SilenceFault
    | AnswerFault
    | DelayFault
    | FailFault
    | StuckFault
    | ResultUrlFault
    | ExpiredUrlFault
    | TruncateFault
    | ExtendFault
    | OddVideoFault
    | BodyFault
    | EmptyFault
    | DripFault
    | StallFault
    | ResetFault
    | PadFault
    | GzipFault
    | RedirectFault
)

_ON_ANY_CALL = (StatusFault, CutFault, SilenceFault, DelayFault)
_ONLY_WHEN_COMPLETED = (ResultUrlFault, ExpiredUrlFault)
_ALLOWED: dict[Call, tuple[type[BaseModel], ...]] = {
    "submit": (*_ON_ANY_CALL, AnswerFault, FailFault, StuckFault),
    "poll": (*_ON_ANY_CALL, AnswerFault, *_ONLY_WHEN_COMPLETED),
    "download": (
        *_ON_ANY_CALL,
        TruncateFault,
        ExtendFault,
        OddVideoFault,
        BodyFault,
        EmptyFault,
        DripFault,
        StallFault,
        ResetFault,
        PadFault,
        GzipFault,
        RedirectFault,
    ),
}


class When(_Strict):
    """Conditions of a rule; one that is left out matches every call."""

    prompt_contains: str | None = None
    generation_id: str | None = None


class FaultRule(_Strict):
    """One rule: skips the first `skip` matching calls, then acts on the next `times` (None: all)."""

    on: Call
    when: When = When()
    skip: int = Field(0, ge=0)
    times: int | None = Field(None, ge=1)
    probability: float = Field(1.0, ge=0, le=1)
    do: Annotated[Fault, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _check_call(self) -> "FaultRule":
        if not isinstance(self.do, _ALLOWED[self.on]):
            raise ValueError(f"do.kind {self.do.kind!r} does not work on {self.on!r}")
        if self.on != "submit" and isinstance(self.do, _Payable) and "paid" in self.do.model_fields_set:
            raise ValueError(f"do.paid has no meaning on {self.on!r}")
        if self.on == "submit" and self.when.generation_id is not None:
            raise ValueError("when.generation_id cannot be known on 'submit'")
        return self

    def matches(self, on: Call, prompt: str | None, generation_id: str | None, completed: bool) -> bool:
        """Whether this rule applies to such a call; how often it has acted does not count."""
        if self.on != on or (isinstance(self.do, _ONLY_WHEN_COMPLETED) and not completed):
            return False
        if self.when.prompt_contains is not None and self.when.prompt_contains not in (prompt or ""):
            return False
        return self.when.generation_id in (None, generation_id)


class _RuleState:
    """A rule, and how many calls it still skips and acts on."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.to_skip = rule.skip
        self.remaining = rule.times


class FaultScript:
    """The current rules. Each new script restarts the random generator from the seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._seed = seed
        self._rules: list[_RuleState] = []
        self._random = random.Random(seed)  # nosec B311 # faults of tests, not a secret

    def replace(self, rules: list[FaultRule]) -> None:
        """Replaces all rules with these, in this order."""
        with self._lock:
            self._rules = [_RuleState(rule) for rule in rules]
            self._random = random.Random(self._seed)  # nosec B311 # faults of tests, not a secret

    def choose(
        self, on: Call, prompt: str | None, generation_id: str | None = None, completed: bool = False
    ) -> Fault | None:
        """The fault of the first rule that matches this call, has times left and is drawn; None without one."""
        with self._lock:
            for state in self._rules:
                if state.remaining == 0 or not state.rule.matches(on, prompt, generation_id, completed):
                    continue
                if state.to_skip > 0:
                    state.to_skip -= 1
                    continue
                if self._random.random() >= state.rule.probability:
                    continue
                if state.remaining is not None:
                    state.remaining -= 1
                return state.rule.do
        return None
