"""A video's receipt as lines of a table."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.domain.redaction import redact_signed
from dropreel_cli.aws_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dropreel.domain.job import VideoObject
    from dropreel_cli.web.site import Site

MAX_BYTES = 256 * 1024
"""Of a larger object nothing is shown: a receipt has a few kilobytes."""
_MAX_LINES = 200


@dataclass(frozen=True)
class Receipt:
    """The lines, each a name such as `timings: created_at` and a value; `fault` says why there are none."""

    lines: Sequence[tuple[str, str]] = ()
    fault: str = ""


def read_receipt(site: Site, video: VideoObject) -> Receipt:
    """Read a receipt from S3. It raises no error of AWS."""
    try:
        answer = site.stack.client("s3").get_object(Bucket=video.bucket, Key=video.receipt_key)
        with closing(answer["Body"]) as body:
            content = body.read(MAX_BYTES + 1)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return Receipt(fault="The receipt is not in the bucket any more.")
        return Receipt(fault=explain(error))
    except BotoCoreError as error:
        return Receipt(fault=explain(error))
    if len(content) > MAX_BYTES:
        return Receipt(fault="The receipt was replaced by a larger file. Download it to see what it is.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Receipt(fault="The receipt is not a JSON object. Download it to see what it is.")
    return Receipt([line for line, _ in zip(_lines("", document), range(_MAX_LINES), strict=False)])


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value.keys() == {"value", "from"}:  # an option
        yield name, f"{_text(value['value'])}   from {_text(value['from'])}"
    elif isinstance(value, dict):
        for each, inner in value.items():
            yield from _lines(f"{name}: {each}" if name else str(each), inner)
    elif isinstance(value, list):
        yield name, "; ".join(map(_text, value)) or "none"
    else:
        yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return redact_signed(value) or "(empty)"
    if value is None:
        return "none"
    return json.dumps(value)
