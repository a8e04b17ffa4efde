"""The provider's endpoints: submit, poll, and the download of a finished video."""

import asyncio
import hmac
import time
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request, Security
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from .connection import CutConnection
from .contract import MODEL, GenerationRequest, Refusal, check_request, read_json, without_query
from .fault_answers import VIDEO_TYPE, error_answer, fill_in, scripted_answer, scripted_download
from .faults import DelayFault, ExpiredUrlFault, FailFault, Fault, ResultUrlFault, StuckFault
from .generations import Generation, ScriptedEnd, Submission
from .rendering import VideoPlan
from .simulator import CurrentSimulator, Simulator


class Accepted(BaseModel):
    """The answer to an accepted submission, which is paid."""

    id: str = Field(examples=["gen_img2v_x7y8z9a1b2"])
    model: Literal["nohuman-x33"]
    status: Literal["created"]
    poll_url: str = Field(examples=["/v1/videos/generations/gen_img2v_x7y8z9a1b2"])


class Result(BaseModel):
    """The address of a finished video."""

    url: str = Field(description="Signed and short-lived; a new one with each poll; needs no key.")


class Progress(BaseModel):
    """The status of a generation. `result` comes with `completed` only, `error` with `failed` only."""

    id: str
    model: Literal["nohuman-x33"]
    status: Literal["created", "processing", "completed", "failed"]
    result: Result | None = None
    error: Any = None


class ErrorDetail(BaseModel):
    """An error: a code for programs, and a readable message."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The shape of every error."""

    error: ErrorDetail


Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, description="The provider's key, as `Authorization: Bearer <key>`.")),
]

_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": GenerationRequest.model_json_schema()}},
    }
}


router = APIRouter(tags=["provider"])
"""The endpoints of the provider's document."""


@router.post(
    "/v1/videos/generate",
    summary="Submit an image-to-video generation",
    response_model=Accepted,
    responses={400: {"model": ErrorAnswer}, 401: {"model": ErrorAnswer}},
    openapi_extra=_REQUEST_BODY,
)
async def submit(request: Request, credentials: Credentials, simulator: CurrentSimulator) -> Response:
    """Checks the request, fetches its image, and starts a generation, which is paid from that moment."""
    body = await request.body()
    simulator.image_secrets.update(_secrets_of(body))
    with simulator.ledger.submission(_as_recorded(body)) as submission:
        try:
            _authenticate(simulator, credentials)
            _require_json(request)
            answer = await _answer_valid(simulator, submission, check_request(read_json(body)), request)
        except Refusal as refusal:
            answer = error_answer(refusal.status, refusal.code, refusal.message)
        if not isinstance(answer, CutConnection):
            submission.status_code = answer.status_code
        return answer


async def _answer_valid(
    simulator: Simulator, submission: Submission, wanted: GenerationRequest, request: Request
) -> Response:
    # The request is validated before any fault acts, so that a scripted run also finds wrong requests.
    fault = simulator.faults.choose("submit", wanted.prompt)
    if isinstance(fault, DelayFault):
        await asyncio.sleep(fault.seconds)
    generation = await _accept(simulator, submission, wanted, fault) if getattr(fault, "paid", True) else None
    sent = {"image_url": wanted.image_url, "api_key": simulator.api_key}
    if fault is not None and (answer := await scripted_answer(fault, request, sent)) is not None:
        return answer
    if generation is None:
        raise RuntimeError("a fault that is not paid must have an answer")
    return JSONResponse(
        {
            "id": generation.id,
            "model": MODEL,
            "status": "created",
            "poll_url": f"/v1/videos/generations/{generation.id}",
        }
    )


async def _accept(
    simulator: Simulator, submission: Submission, wanted: GenerationRequest, fault: Fault | None
) -> Generation:
    image = await run_in_threadpool(simulator.images.fetch, wanted.image_url)
    submission.image = image.facts
    match fault:
        case FailFault():
            error = fill_in(fault.error, {"image_url": wanted.image_url})
            return simulator.ledger.accept(submission, wanted, None, ScriptedEnd(error=error))
        case StuckFault():
            return simulator.ledger.accept(submission, wanted, None, ScriptedEnd(stuck=True))
    video = simulator.videos.video(image.content, image.facts.sha256, VideoPlan.of(wanted))
    return simulator.ledger.accept(submission, wanted, video)


@router.get(
    "/v1/videos/generations/{generation_id}",
    summary="Get the status of a generation",
    response_model=Progress,
    responses={401: {"model": ErrorAnswer}, 404: {"model": ErrorAnswer}},
)
async def poll(generation_id: str, request: Request, credentials: Credentials, simulator: CurrentSimulator) -> Response:
    """Answers with the status, and once completed with a new address of the video."""
    _authenticate(simulator, credentials)
    simulator.ledger.count_poll(generation_id)
    generation = simulator.ledger.find(generation_id)
    completed = generation is not None and generation.status(time.monotonic()) == "completed"
    prompt = generation.request.prompt if generation else None
    fault = simulator.faults.choose("poll", prompt, generation_id, completed)
    if isinstance(fault, DelayFault):
        await asyncio.sleep(fault.seconds)
    sent = {"image_url": generation.request.image_url if generation else "", "api_key": simulator.api_key}
    if fault is not None and (answer := await scripted_answer(fault, request, sent)) is not None:
        return answer
    if generation is None:
        raise Refusal(404, "not_found", "There is no generation with this id.")
    return JSONResponse(_progress(simulator, generation, fault, str(request.base_url)))


def _progress(simulator: Simulator, generation: Generation, fault: Fault | None, base_url: str) -> dict[str, Any]:
    status = generation.status(time.monotonic())
    progress: dict[str, Any] = {"id": generation.id, "model": MODEL, "status": status}
    if status == "completed":
        seconds = -1.0 if isinstance(fault, ExpiredUrlFault) else generation.pace.result_url_seconds
        url = simulator.links.link(base_url, generation.id, seconds)
        progress["result"] = {"url": fault.url if isinstance(fault, ResultUrlFault) else url}
    elif status == "failed":
        progress["error"] = generation.error()
    return progress


@router.get(
    "/results/{generation_id}.mp4",
    summary="Download a finished video",
    response_class=FileResponse,
    responses={200: {"content": {VIDEO_TYPE: {}}}, 403: {"model": ErrorAnswer}, 404: {"model": ErrorAnswer}},
)
async def download(
    generation_id: str, request: Request, simulator: CurrentSimulator, expires: str = "", signature: str = ""
) -> Response:
    """Sends the video for a signed address that has not expired."""
    simulator.links.check(generation_id, expires, signature)
    simulator.ledger.count_download(generation_id)
    generation = simulator.ledger.find(generation_id)
    if generation is None or generation.video is None:
        raise Refusal(404, "not_found", "There is no video with this id.")
    # Only the address of a finished video is signed, so this does not wait.
    video = generation.video.result(timeout=0)
    fault = simulator.faults.choose("download", generation.request.prompt, generation_id, completed=True)
    if isinstance(fault, DelayFault):
        await asyncio.sleep(fault.seconds)
    scripted = None
    if fault is not None:
        scripted = await scripted_answer(fault, request) or scripted_download(fault, video)
    return scripted or FileResponse(video, media_type=VIDEO_TYPE)


def _authenticate(simulator: Simulator, credentials: HTTPAuthorizationCredentials | None) -> None:
    given = credentials.credentials if credentials else ""
    if not hmac.compare_digest(given.encode(), simulator.api_key.encode()):
        raise Refusal(401, "unauthorized", "The call needs the header `Authorization: Bearer <key>`.")


def _require_json(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(400, "not_json", "The body must be sent with `Content-Type: application/json`.")


def _secrets_of(body: bytes) -> set[str]:
    """The signature and the token in the address of a submission's image, if it has one."""
    try:
        query = parse_qsl(urlsplit(str(read_json(body)["image_url"])).query)
    except (Refusal, LookupError, TypeError, ValueError):
        return set()
    return {value for name, value in query if name.lower().endswith(("signature", "token"))}


def _as_recorded(body: bytes) -> Any:
    try:
        return without_query(read_json(body))
    except Refusal:
        return None
