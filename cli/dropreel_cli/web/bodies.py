"""The JSON that a page sends: an object, small, and said to be JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES = 256 * 1024
"""The most bytes of a body."""


async def json_object(request: Request, most: int = MAX_BYTES) -> dict[str, Any]:
    """Return the JSON object of a request. Raises HTTPException (400, 413, 415) before anything is done."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "The request has to be application/json. Nothing was done.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"The request has more than {most:,} bytes. Nothing was done.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is no valid JSON. Nothing was done.") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "The request has to be a JSON object. Nothing was done.")
    return found
