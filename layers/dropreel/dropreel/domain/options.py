"""What an image's owner can say, under the provider's own names, and where each value came from.

Source of types, ranges and allowed values: the provider's document. `aspect_ratio` also takes `auto`, which is ours.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.redaction import holds_signed_address
from dropreel.media.images.reader import RECOMMENDED_SIDE, ImageFacts

MAX_PROMPT_CHARACTERS = 2500
"""For `prompt` and `negative_prompt`: a limit of ours; the provider names none."""
ASPECT_RATIOS: dict[str, tuple[int, int]] = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
"""What the provider takes, as width to height."""
FAR_FROM_RATIO = 1.5
"""A picture whose shape differs from the asked ratio by more than this factor gets a warning."""
S3_METADATA = "S3 metadata"
STACK_PARAMETERS = "stack parameters"
"""Names of places that are no files."""

_MAX_SHOWN = 60


@dataclass(frozen=True)
class Options:
    """One complete set of options. `duration` is in seconds, `cfg_scale` from 0 to 1; `aspect_ratio` may be `auto`."""

    prompt: str
    mode: str
    negative_prompt: str
    aspect_ratio: str
    duration: int
    cfg_scale: float
    sound: bool


@dataclass(frozen=True)
class Place:
    """One place that can hold options. `is_text` where every value arrives as text (S3 metadata, stack parameters)."""

    name: str
    values: Mapping[str, Any]
    is_text: bool = False
    refuses_unknown: bool = True


@dataclass(frozen=True)
class Fault:
    """One thing wrong: where, which option, and a sentence with the value and what is allowed. All of it can be encoded."""

    place: str
    option: str
    message: str


@dataclass(frozen=True)
class Resolved:
    """Complete options, and for each the name of the place that it was taken from."""

    options: Options
    sources: dict[str, str]


class _Invalid(Exception):
    """Carries what is allowed; `_read` puts the option and the value in front."""


def resolve(places: Sequence[Place]) -> Resolved | list[Fault]:
    """Take each option from the first place that has it (most specific first), or return every fault of every place."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    faults: list[Fault] = []
    for place in places:
        for name, raw in place.values.items():
            if name not in _READERS:
                if place.refuses_unknown:
                    faults.append(Fault(place.name, encodable(name), _unknown(name)))
                continue
            try:
                value = _read(name, raw, place.is_text)
            except _Invalid as invalid:
                message = f"{name} is {_shown(raw)}; {invalid}"
                faults.append(Fault(place.name, name, message))
                continue
            if name not in values:
                values[name], sources[name] = value, place.name
    missing = [name for name in _READERS if name not in values]
    if missing and not faults:
        faults = [Fault("options", name, f"{name} is not set anywhere") for name in missing]
    return faults or Resolved(Options(**values), sources)


def ratio_for(asked: str, facts: ImageFacts) -> str:
    """Return the provider's ratio: the asked one, or for `auto` the nearest to the picture as displayed.

    Nearest by ratio of ratios, so that portrait and landscape are treated alike.
    """
    if asked != "auto":
        return asked
    return min(ASPECT_RATIOS, key=lambda name: _distance(name, facts))


def warnings_for(options: Options, facts: ImageFacts) -> tuple[str, ...]:
    """Return what may make the video worse but is no reason to refuse, as sentences."""
    found = []
    if min(facts.width, facts.height) < RECOMMENDED_SIDE:
        found.append(
            f"The image has {facts.width} x {facts.height} pixels; the provider recommends at least "
            f"{RECOMMENDED_SIDE} x {RECOMMENDED_SIDE}."
        )
    ratio = ratio_for(options.aspect_ratio, facts)
    if _distance(ratio, facts) > FAR_FROM_RATIO:
        found.append(f"The image's shape ({facts.width} x {facts.height}) is far from {ratio}; parts will be cut off.")
    if facts.animated:
        found.append("The image is animated; the provider is expected to use its first frame only.")
    return tuple(found)


def _distance(ratio: str, facts: ImageFacts) -> float:
    across, down = ASPECT_RATIOS[ratio]
    left, right = facts.width * down, facts.height * across
    return max(left, right) / min(left, right)


def _read(name: str, raw: Any, is_text: bool) -> Any:
    from_text, from_json = _READERS[name]
    return from_text(raw) if is_text else from_json(raw)


def _prompt(raw: Any) -> str:
    text = _negative_prompt(raw)
    if not text.strip():
        raise _Invalid("it must not be empty")
    return text


def _negative_prompt(raw: Any) -> str:
    if not isinstance(raw, str):
        raise _Invalid("it must be text")
    if len(raw) > MAX_PROMPT_CHARACTERS:
        raise _Invalid(f"it has {len(raw):,} characters, at most {MAX_PROMPT_CHARACTERS:,} are allowed")
    if not is_encodable(raw):
        raise _Invalid("it is not valid Unicode: it holds half a surrogate pair; allowed is text that UTF-8 can encode")
    strange = next((character for character in raw if unicodedata.category(character) == "Cc"), None)
    if strange is not None:
        raise _Invalid(f"it holds the control character U+{ord(strange):04X}; put it on one line of plain text")
    if holds_signed_address(raw):  # it would be passed on, and stand in the table, the events and the receipt
        raise _Invalid("it holds a signed address, which is a secret; take it out")
    return raw.strip()


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if isinstance(raw, str) and raw in allowed:
            return raw
        near = _nearest(raw.lower(), allowed) if isinstance(raw, str) else None
        hint = f"; did you mean {near}?" if near else ""
        raise _Invalid(f"allowed are {', '.join(allowed)}{hint}")

    return read


def _number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        raise _Invalid("it must be a number")
    try:
        number = float(raw)
    except OverflowError:
        raise _Invalid("it must be a finite number") from None
    if not math.isfinite(number):
        raise _Invalid("it must be a finite number")
    return number


def _number_in_text(raw: Any) -> float:
    if not isinstance(raw, str) or not re.fullmatch(r" *([0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}) *", raw):
        raise _Invalid("it must be a number such as 5 or 0.5")
    return float(raw)


def _duration(number: Callable[[Any], float]) -> Callable[[Any], int]:
    def read(raw: Any) -> int:
        try:
            seconds = number(raw)
        except _Invalid as invalid:
            raise _Invalid(f"{invalid}; allowed are 5 and 10 (seconds)") from None
        if seconds not in (5, 10):
            raise _Invalid("allowed are 5 and 10 (seconds)")
        return int(seconds)

    return read


def _cfg_scale(number: Callable[[Any], float]) -> Callable[[Any], float]:
    def read(raw: Any) -> float:
        try:
            scale = number(raw)
        except _Invalid as invalid:
            raise _Invalid(f"{invalid}; allowed is 0 to 1") from None
        if not 0 <= scale <= 1:
            raise _Invalid("allowed is 0 to 1")
        return round(scale, 9)  # finer steps mean nothing, and the job table cannot hold any number

    return read


def _sound(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _Invalid("allowed are true and false, without quotes")
    return raw


def _sound_in_text(raw: Any) -> bool:
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return raw.strip().lower() == "true"
    raise _Invalid("allowed are true and false")


_mode = _one_of("fast", "hq")
_aspect_ratio = _one_of(*ASPECT_RATIOS, "auto")

_READERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    # option: (reader of a text, reader of a JSON value)
    "prompt": (_prompt, _prompt),
    "mode": (_mode, _mode),
    "negative_prompt": (_negative_prompt, _negative_prompt),
    "aspect_ratio": (_aspect_ratio, _aspect_ratio),
    "duration": (_duration(_number_in_text), _duration(_number)),
    "cfg_scale": (_cfg_scale(_number_in_text), _cfg_scale(_number)),
    "sound": (_sound_in_text, _sound),
}

OPTION_NAMES = tuple(_READERS)


def _unknown(name: str) -> str:
    near = _nearest(name.lower().replace("-", "_"), OPTION_NAMES)
    hint = f" (did you mean {near}?)" if near else ""
    return f"there is no option {_shown(name)}{hint}; allowed are {', '.join(OPTION_NAMES)}"


def _nearest(word: str, allowed: Sequence[str]) -> str | None:
    import difflib  # only a mistake needs it

    return next(iter(difflib.get_close_matches(word, allowed, n=1)), None)


def _shown(raw: Any) -> str:
    text = repr(raw) if isinstance(raw, str) else str(raw)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
