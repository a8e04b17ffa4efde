"""The places that options come from: how their values are read, validated and merged.

Source of types, ranges and allowed values: the provider's API documentation. `aspect_ratio` also takes `auto`, which is ours.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.options import ASPECT_RATIOS, CFG_SCALES, DURATIONS, MODES, OPTION_NAMES, Options
from dropreel.domain.redaction import holds_signed_address

MAX_PROMPT_CHARACTERS = 2500
"""For `prompt` and `negative_prompt`: a limit of ours; the provider documents none."""
S3_METADATA = "S3 metadata"
STACK_PARAMETERS = "stack parameters"
"""Names of the places that are not files."""

_MAX_SHOWN = 60


class Place(NamedTuple):
    """A source of options: a request event, S3 metadata, a sidecar, a folder file, or the stack parameters.

    `is_text`: every value is text, not JSON (S3 metadata and stack parameters). `refuses_unknown`: an unknown name is a fault.
    """

    name: str
    values: Mapping[str, Any]
    is_text: bool = False
    refuses_unknown: bool = True


class Fault(NamedTuple):
    """An invalid option: its place, its name, and a message with the value and what is allowed.

    `option` is empty where a whole file is invalid. All fields can be encoded as UTF-8.
    """

    place: str
    option: str
    message: str


class Resolved(NamedTuple):
    """The merged options, and for each the name of the place that it came from."""

    options: Options
    sources: dict[str, str]


class _Invalid(Exception):
    """An invalid value; the text says what is allowed. `resolve` puts the option's name and value in front."""


def resolve(places: Sequence[Place]) -> Resolved | list[Fault]:
    """Merge the places, the most specific first: the first one that has an option wins. Or return all faults of all places."""
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
        raise _Invalid(
            "it is not valid Unicode: it contains an unpaired surrogate; allowed is text that UTF-8 can encode"
        )
    control = next((character for character in raw if unicodedata.category(character) == "Cc"), None)
    if control is not None:
        raise _Invalid(
            f"it contains the control character U+{ord(control):04X}; write it on one line without control characters"
        )
    if holds_signed_address(
        raw
    ):  # it would be sent to the provider and stored in the table, the events and the receipt
        raise _Invalid("it contains a signed URL, which is a secret; remove it")
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
    allowed = " and ".join(map(str, DURATIONS))

    def read(raw: Any) -> int:
        try:
            seconds = number(raw)
        except _Invalid as invalid:
            raise _Invalid(f"{invalid}; allowed are {allowed} (seconds)") from None
        if seconds not in DURATIONS:
            raise _Invalid(f"allowed are {allowed} (seconds)")
        return int(seconds)

    return read


def _cfg_scale(number: Callable[[Any], float]) -> Callable[[Any], float]:
    least, most = CFG_SCALES

    def read(raw: Any) -> float:
        try:
            scale = number(raw)
        except _Invalid as invalid:
            raise _Invalid(f"{invalid}; allowed is {least} to {most}") from None
        if not least <= scale <= most:
            raise _Invalid(f"allowed is {least} to {most}")
        return round(scale, 9)  # DynamoDB cannot store every float; finer steps make no difference

    return read


def _sound(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _Invalid("allowed are true and false, without quotes")
    return raw


def _sound_in_text(raw: Any) -> bool:
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return raw.strip().lower() == "true"
    raise _Invalid("allowed are true and false")


_mode = _one_of(*MODES)
_aspect_ratio = _one_of(*ASPECT_RATIOS, "auto")

_READERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    # option: (reads text, reads a JSON value)
    "prompt": (_prompt, _prompt),
    "mode": (_mode, _mode),
    "negative_prompt": (_negative_prompt, _negative_prompt),
    "aspect_ratio": (_aspect_ratio, _aspect_ratio),
    "duration": (_duration(_number_in_text), _duration(_number)),
    "cfg_scale": (_cfg_scale(_number_in_text), _cfg_scale(_number)),
    "sound": (_sound_in_text, _sound),
}


def _unknown(name: str) -> str:
    near = _nearest(name.lower().replace("-", "_"), OPTION_NAMES)
    hint = f" (did you mean {near}?)" if near else ""
    return f"there is no option {_shown(name)}{hint}; allowed are {', '.join(OPTION_NAMES)}"


def _nearest(word: str, allowed: Sequence[str]) -> str | None:
    import difflib  # imported late: only an invalid option needs it

    return next(iter(difflib.get_close_matches(word, allowed, n=1)), None)


def _shown(raw: Any) -> str:
    text = repr(raw) if isinstance(raw, str) else str(raw)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
