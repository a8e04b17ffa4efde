"""The submission of the provider's document: its fields, their checks, and its price."""

import json
import math
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

MODEL = "nohuman-x33"

Mode = Literal["fast", "hq"]
AspectRatio = Literal["16:9", "9:16", "1:1"]

# US cents a video, by mode and seconds (the provider's price table).
PRICE_CENTS: dict[tuple[Mode, int], int] = {
    ("fast", 5): 47,
    ("fast", 10): 94,
    ("hq", 5): 94,
    ("hq", 10): 187,
}

_LONGEST_QUOTED_VALUE = 120

_ALLOWED = {
    "prompt": "a string that is not empty",
    "image_url": "an absolute http or https address, as a string",
    "mode": '"fast" or "hq"',
    "negative_prompt": "a string",
    "aspect_ratio": '"16:9", "9:16" or "1:1"',
    "duration": "the number 5 or 10 (seconds)",
    "cfg_scale": "a number from 0 to 1",
    "sound": "true or false",
}


class Refusal(Exception):
    """An error answer of the documented contract: HTTP status, a short code, a readable message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def _not_blank(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("blank")
    return prompt


def _web_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not a web address")
    return address


def _five_or_ten(seconds: float) -> float:
    if seconds not in (5, 10):
        raise ValueError("neither 5 nor 10")
    return seconds


class GenerationRequest(BaseModel):
    """A submission. Types are strict: no number is read from a string, and a boolean is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    prompt: Annotated[str, AfterValidator(_not_blank)] = Field(
        description="The motion, camera movement and animation wanted.", min_length=1
    )
    image_url: Annotated[str, AfterValidator(_web_address)] = Field(
        description="Publicly reachable address of a JPG, PNG or WebP of at most 10 MB (10,000,000 bytes)."
    )
    mode: Mode = Field("fast", description="`fast` is quicker, `hq` has the better quality.")
    negative_prompt: str = Field("", description="What must not appear.")
    aspect_ratio: AspectRatio = Field("16:9", description="Shape of the video.")
    duration: Annotated[float, AfterValidator(_five_or_ten)] = Field(
        5, description="Length of the video in seconds.", json_schema_extra={"enum": [5, 10]}
    )
    cfg_scale: float = Field(0.5, ge=0, le=1, allow_inf_nan=False, description="Classifier-free guidance scale.")
    sound: bool = Field(True, description="Whether the video has an audio track.")

    @property
    def seconds(self) -> int:
        """The duration as a whole number of seconds, 5 or 10."""
        return int(self.duration)

    @property
    def price_cents(self) -> int:
        """What the provider charges for this video, in US cents."""
        return PRICE_CENTS[self.mode, self.seconds]


def read_json(body: bytes) -> Any:
    """Reads a request body as JSON. Raises Refusal (400) for anything that RFC 8259 does not allow, such as NaN."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        # A lone surrogate passes json.loads and cannot be encoded as UTF-8.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", "The body must be JSON with finite numbers only.") from None
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def check_request(document: Any) -> GenerationRequest:
    """Checks a submission. Raises Refusal (400) that names each wrong field, its value and what is allowed."""
    if not isinstance(document, dict):
        raise Refusal(400, "invalid_request", "The body must be a JSON object.")
    if "image_url" not in document:
        raise Refusal(
            400,
            "missing_image",
            "image_url is missing: this simulator does image-to-video only, so it needs " + _ALLOWED["image_url"] + ".",
        )
    try:
        return GenerationRequest.model_validate(document)
    except ValidationError as invalid:
        errors = "; ".join(_field_error(str(error["loc"][0]), document) for error in invalid.errors())
        raise Refusal(400, "invalid_request", errors) from None


def _field_error(field: str, document: dict[str, Any]) -> str:
    if field not in _ALLOWED:
        return f"{_quoted(field)} is not a field of this call; allowed are {', '.join(_ALLOWED)}"
    if field not in document:
        return f"{field} is missing; it must be {_ALLOWED[field]}"
    return f"{field} is {_quoted(without_query(document)[field])}; it must be {_ALLOWED[field]}"


def _quoted(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_QUOTED_VALUE else text[:_LONGEST_QUOTED_VALUE] + "..."


def without_query(document: Any) -> Any:
    """The document without the query string of `image_url`: a presigned query is a secret."""
    if isinstance(document, dict) and isinstance(document.get("image_url"), str):
        return {**document, "image_url": document["image_url"].partition("?")[0]}
    return document
