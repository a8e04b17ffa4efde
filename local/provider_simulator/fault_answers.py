"""The HTTP answer of each scripted fault."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from .connection import CutConnection, RawAnswer, wait_or_disconnect
from .faults import (
    AnswerFault,
    BodyFault,
    CutFault,
    DripFault,
    EmptyFault,
    ExtendFault,
    Fault,
    GzipFault,
    OddVideoFault,
    PadFault,
    RedirectFault,
    ResetFault,
    SilenceFault,
    StallFault,
    StatusFault,
    TruncateFault,
)
from .odd_videos import make_odd

VIDEO_TYPE = "video/mp4"

_PIECES_PER_SECOND = 10


def error_answer(status: int, code: str, message: str) -> JSONResponse:
    """An error answer in the shape that all errors of the simulator have."""
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def fill_in(body: Any, sent: Mapping[str, str]) -> Any:
    """A scripted body with `{image_url}` and `{api_key}` replaced by the values that were sent."""
    match body:
        case str():
            for name, value in sent.items():
                body = body.replace(f"{{{name}}}", value)
            return body
        case dict():
            return {name: fill_in(value, sent) for name, value in body.items()}
        case list():
            return [fill_in(value, sent) for value in body]
    return body


async def scripted_answer(fault: Fault, request: Request, sent: Mapping[str, str] | None = None) -> Response | None:
    """The answer of a fault that works on any call; None if the call continues. `sent` has the values for its body."""
    sent = sent or {}
    match fault:
        case StatusFault(body=None):
            answer: Response = error_answer(fault.status, "scripted", f"A fault rule asks for {fault.status}.")
            answer.headers.update(fault.headers)
            return answer
        case StatusFault():
            answer = _text_or_json(fill_in(fault.body, sent), fault.status, fault.content_type)
            answer.headers.update(fault.headers)
            return answer
        case AnswerFault():
            return _text_or_json(fill_in(fault.body, sent), 200, fault.content_type)
        case CutFault():
            return CutConnection()
        case SilenceFault():
            await wait_or_disconnect(request.receive, fault.seconds)
            return CutConnection()
    return None


def _text_or_json(body: Any, status: int, content_type: str | None) -> Response:
    if isinstance(body, str):
        if content_type is None:
            return Response(body, status, media_type="text/plain")
        named = re.search(r"charset=([\w-]+)", content_type)
        content = body.encode(named[1] if named else "utf-8", "replace")
        return Response(content, status, headers={"Content-Type": content_type})
    return Response(json.dumps(body), status, media_type=content_type or "application/json")


def scripted_download(fault: Fault, video: Path) -> Response | None:
    """The answer of a download's fault; None if the video is sent unchanged."""
    match fault:
        case BodyFault():
            return Response(fault.body, media_type=fault.content_type)
        case EmptyFault():
            return Response(b"", media_type=VIDEO_TYPE)
        case RedirectFault():
            return RedirectResponse(fault.location, fault.status)
        case OddVideoFault():
            return Response(make_odd(video.read_bytes(), fault.oddity), media_type=VIDEO_TYPE)
        case GzipFault():
            content = video.read_bytes()
            sent = gzip.compress(content, compresslevel=1) if fault.compressed else content
            return Response(sent, media_type=VIDEO_TYPE, headers={"Content-Encoding": "gzip"})
    content = video.read_bytes()
    whole = {"Content-Type": VIDEO_TYPE, "Content-Length": str(len(content))}
    without_length = {"Content-Type": VIDEO_TYPE}
    match fault:
        case TruncateFault(content_length="chunked"):
            part = content[: fault.bytes]
            # An empty chunk would end the body properly, so none is sent.
            chunk = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
            return RawAnswer({**without_length, "Transfer-Encoding": "chunked"}, [chunk])
        case TruncateFault():
            return RawAnswer(whole if fault.content_length else without_length, [content[: fault.bytes]])
        case ExtendFault():
            fill = fault.fill.encode()
            junk = (fill * (fault.bytes // len(fill) + 1))[: fault.bytes]
            longer = {"Content-Type": VIDEO_TYPE, "Content-Length": str(len(content) + len(junk))}
            return RawAnswer(longer if fault.content_length else without_length, [content, junk])
        case DripFault():
            return RawAnswer(whole, _pieces(content, fault.bytes_per_second))
        case StallFault():
            return RawAnswer(whole, [content[: fault.after_bytes], fault.seconds, content[fault.after_bytes :]])
        case PadFault():
            longer = {"Content-Type": VIDEO_TYPE, "Content-Length": str(len(content) + fault.bytes)}
            return RawAnswer(longer, _padded(content, fault), "close" if fault.reset_after is None else "reset")
        case ResetFault():
            return RawAnswer(whole, [content[: fault.after_bytes]], "reset")
    return None


def _padded(content: bytes, fault: PadFault) -> Iterator[bytes | float]:
    remaining = len(content) + fault.bytes if fault.reset_after is None else fault.reset_after
    head = content + fault.bytes.to_bytes(4, "big") + b"free"
    yield head[:remaining]
    remaining -= len(head)
    piece = bytes(1024 * 1024)
    while remaining > 0:
        yield piece[:remaining]
        remaining -= len(piece)


def _pieces(content: bytes, bytes_per_second: int) -> Iterator[bytes | float]:
    size = max(1, bytes_per_second // _PIECES_PER_SECOND)
    for start in range(0, len(content), size):
        yield content[start : start + size]
        yield size / bytes_per_second
