"""Dropping images on the page: they are checked and priced first, and uploaded once that is confirmed."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any

import click
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dropreel.domain.errors import DropreelError
from dropreel.domain.option_files import FOLDER_STEM
from dropreel_cli.decisions import sentence
from dropreel_cli.dollars import ASK_ABOVE_USD
from dropreel_cli.exits import CommandError
from dropreel_cli.image_options import FLAGS, folder_prefix
from dropreel_cli.local_files import sort_files
from dropreel_cli.option_metadata import typed_options
from dropreel_cli.plan_output import VERDICTS, describe_image, describe_options, price_question, summary_lines
from dropreel_cli.plan_sources import plan_files
from dropreel_cli.planning import SPENDS, Verdict
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal
from dropreel_cli.stack import StackMissing
from dropreel_cli.stack_settings import settings_of
from dropreel_cli.submissions import PAUSED_NOTICE
from dropreel_cli.web.bodies import json_object
from dropreel_cli.web.draft_upload import DraftUpload
from dropreel_cli.web.drafts import MAX_FILE_BYTES, MAX_FILES, Draft, DropRequest, NotTaken, PlannedDraft
from dropreel_cli.web.option_controls import controls_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from dropreel_cli.stack import Stack
    from dropreel_cli.web.site import Site

ASK_ABOVE_CENTS = ASK_ABOVE_USD * 100
_PIECE_BYTES = 1024 * 1024
_MAX_JSON_BYTES = 4 * 1024 * 1024
_STREAM_SECONDS = 0.25
_HEARTBEATS = 60
"""After so many looks without news, a stream says so."""
_NO_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'
_HERE = "set here"
"""What a plan calls the options of the page's controls, which become S3 metadata."""


class Faults(Exception):
    """Options that are not valid: a sentence for each, by the name of its control."""

    def __init__(self, by_name: Mapping[str, str]) -> None:
        super().__init__("Correct the options first.")
        self.by_name = dict(by_name)


class Drops:
    """The routes of a drop."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.routes = [
            Route("/drops", self.open, methods=["POST"]),
            Route("/drops/events", self.events, methods=["GET"]),
            Route("/drops/{draft_id}", self.close, methods=["DELETE"]),
            Route("/drops/{draft_id}/files", self.receive, methods=["PUT"]),
            Route("/drops/{draft_id}/thumbnails/{name}", self.thumbnail, methods=["GET"]),
            Route("/drops/{draft_id}/plan", self.plan, methods=["POST"]),
            Route("/drops/{draft_id}/upload", self.upload, methods=["POST"]),
        ]

    def open(self, request: Request) -> Response:  # noqa: ARG002 - Starlette passes it
        """Open a draft; return its id, its limits, and the controls of the options."""

        def opened() -> Response:
            controls = controls_of(self.site.renewed())
            draft = self.site.drafts.open()
            return JSONResponse({
                "id": draft.draft_id,
                "max_files": MAX_FILES,
                "max_bytes": MAX_FILE_BYTES,
                "options": self.site.render("drop_options.html", controls=controls),
            })  # fmt: skip

        return _answer(opened)

    def close(self, request: Request) -> Response:
        """Remove a draft and its files. An upload that has begun continues."""
        try:
            is_removed = self.site.drafts.remove(self.site.drafts.find(request.path_params["draft_id"]))
        except NotTaken:
            is_removed = True
        return JSONResponse({"removed": is_removed})

    async def receive(self, request: Request) -> Response:
        """Write one file into the draft, as it arrives."""
        file: Path | None = None
        try:
            draft = self.site.drafts.find(request.path_params["draft_id"])
            path = request.query_params.get("path", "")
            length = request.headers.get("content-length", "")
            file = await run_in_threadpool(draft.new_file, path, int(length) if length.isdecimal() else None)
            await _write(request, draft, file)
            self.site.drafts.find(draft.draft_id)
            draft.add(path, file)
        except (NotTaken, OSError) as error:
            _remove(file)
            await _drain(request)
            status = error.status if isinstance(error, NotTaken) else 507
            why = str(error) if isinstance(error, NotTaken) else f"It cannot be written: {error.strerror or error}."
            return JSONResponse({"error": why}, status)
        except ClientDisconnect:
            _remove(file)
            return Response(status_code=400)
        return JSONResponse({"files": len(draft.files)})

    def thumbnail(self, request: Request) -> Response:
        """A small picture of a file; an empty one where none can be made."""
        try:
            draft = self.site.drafts.find(request.path_params["draft_id"])
        except NotTaken as error:
            raise HTTPException(404, str(error)) from None
        made = self.site.drafts.thumbnail(draft, request.path_params["name"])
        content, kind = (made, "image/webp") if made else (_NO_PICTURE, "image/svg+xml")
        return Response(content, media_type=kind, headers={"cache-control": "private, max-age=3600"})

    # --- the plan --------------------------------------------------------------------------------------------------

    async def plan(self, request: Request) -> Response:
        """What would become of each file, and what it costs. 422 with a sentence for each option that is not valid."""
        body = await json_object(request, _MAX_JSON_BYTES)
        return await run_in_threadpool(_answer, lambda: self._plan(request.path_params["draft_id"], body))

    def _plan(self, draft_id: str, body: Mapping[str, Any]) -> Response:
        draft = self.site.drafts.find(draft_id)
        number = draft.next_turn()
        asked = draft.upload.request if body.get("same") and draft.upload else request_of(body)
        with draft.planning:
            if not draft.is_turn(number):
                raise superseded()
            draft.require_open()
            files = dict(draft.files)
            stack = self.site.renewed()
            found = sort_files(files, asked.prefix)
            planned_files = plan_files(stack, found, asked.wanted, again=asked.again, on_progress=lambda _: None)
            planned = PlannedDraft(secrets.token_hex(16), asked, planned_files, stack)
            with draft.lock:
                draft.require_open()
                if files != draft.files or not draft.is_turn(number):
                    raise superseded()
                draft.planned = planned
        return self.site.page("plan.html", draft=draft, **self._plan_values(planned))

    def _plan_values(self, planned: PlannedDraft) -> dict[str, Any]:
        plan = planned.files.plan
        places = {Verdict.REFUSED: 0, Verdict.SKIPPED: 2}
        images = sorted(plan.images, key=lambda image: places.get(image.verdict, 1))
        board, controls = self.site.snapshot.board, controls_of(planned.stack)
        notices = [PAUSED_NOTICE] if board.paused else []
        return {
            "planned": planned,
            "prices": {"mode": controls.mode_prices, "duration": controls.duration_prices},
            "plan": plan,
            "images": images,
            "spends": SPENDS,
            "verdicts": VERDICTS,
            "describe_image": describe_image,
            "describe_options": lambda image: describe_options(image, _HERE),
            "lines": list(summary_lines(plan)),
            "notices": [*notices, *([REHEARSAL_NOTICE] if is_rehearsal(planned.stack) else [])],
            "notes": [*planned.files.notes, *_default_notes(planned)],
            "question": price_question(plan) if plan.total_cents > ASK_ABOVE_CENTS else "",
        }

    # --- the upload ------------------------------------------------------------------------------------------------

    async def upload(self, request: Request) -> Response:
        """Begin the upload of the plan that was seen, once. 409 where the plan or the price is another one."""
        body = await json_object(request, _MAX_JSON_BYTES)
        return await run_in_threadpool(_answer, lambda: self._upload(request.path_params["draft_id"], body))

    def _upload(self, draft_id: str, body: Mapping[str, Any]) -> Response:
        draft = self.site.drafts.find(draft_id)
        planned = draft.planned
        if planned is not None and _price_facts(self.site.renewed()) != _price_facts(planned.stack):
            draft.planned = None
            raise NotTaken("The stack's parameters have changed since the check. Look at the price again.", 409)
        with draft.lock:
            if draft.upload is not None and draft.upload.token == body.get("plan"):
                return JSONResponse({"begun": False})  # a double click, or the same request once more
            draft.require_open()
            planned = draft.planned
            if planned is None or planned.token != body.get("plan"):
                raise NotTaken("The images were checked again meanwhile. Look at the price again.", 409)
            total = planned.files.plan.total_cents
            if total != body.get("cents"):
                raise NotTaken("The price is another one than the page has shown. Look at it again.", 409)
            if not planned.files.plan.to_drop:
                raise NotTaken("There is no image to upload.", 409)
            if total > ASK_ABOVE_CENTS and body.get("confirmed") != total:
                raise NotTaken(f"{price_question(planned.files.plan)} Confirm it first.", 409)
            draft.planned = None
            draft.upload = DraftUpload(planned, lambda upload: self._end(draft, upload))
        return JSONResponse({"begun": True}, 202)

    def _end(self, draft: Draft, upload: DraftUpload) -> None:
        """Remove the files of an upload that is whole; those of another one stay, to try again.

        Where everything is made again, what is in the bucket is not recognized: then what was uploaded does not stay.
        """
        self.site.updates.ask()
        self.site.drafts.use(draft)  # what an upload of hours has left out must still be read
        with draft.lock:
            kept = {}
            if not upload.is_whole:
                is_again = upload.request.again
                kept = {
                    path: file for path, file in draft.files.items() if not is_again or str(file) not in upload.done
                }
            removed, draft.files = [file for path, file in draft.files.items() if path not in kept], kept
        for file in removed:
            _remove(file)
            _remove(file.with_suffix(".webp"))

    async def events(self, request: Request) -> Response:  # noqa: ARG002 - Starlette passes it
        """Server-sent events: the uploads, each time that they change, until the last one has ended."""
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _stream(self) -> AsyncIterator[str]:
        sent, silent = "", 0
        while not self.site.updates.is_closed:
            is_running = any(draft.is_uploading for draft in self.site.drafts.uploads)
            html = await run_in_threadpool(self.site.render, "uploads.html")
            silent += 1
            if html != sent:
                sent, silent = html, 0
                yield f"event: uploads\ndata: {json.dumps(html)}\n\n"
            elif silent % _HEARTBEATS == 0:
                yield ": nothing has changed\n\n"
            if not is_running:
                yield "event: end\ndata: {}\n\n"
                return
            await asyncio.sleep(_STREAM_SECONDS)


def request_of(body: Mapping[str, Any]) -> DropRequest:
    """Return what the controls ask for. Raises Faults."""
    given = body.get("options")
    options = given if isinstance(given, dict) else {}
    wanted = {name: value.strip() for name, value in options.items() if name in FLAGS and isinstance(value, str)}
    faults: dict[str, str] = {}
    found = typed_options(wanted)
    if isinstance(found, list):
        faults = {fault.option: sentence(fault.message) for fault in found}
    prefix = ""
    try:
        prefix = folder_prefix(str(body.get("to", "")).strip(), "Folder")
    except click.UsageError as error:
        faults["to"] = error.message
    if faults:
        raise Faults(faults)
    return DropRequest(wanted, prefix, body.get("again") is True)


def superseded() -> NotTaken:
    """Return the answer to a request after which a later one came."""
    return NotTaken("A later check has taken its place.", 409)


def _default_notes(planned: PlannedDraft) -> list[str]:
    """Return a note for defaults that would hold for more than what was dropped."""
    prefix, bucket = planned.request.prefix, planned.files.bucket
    keys = dict.fromkeys(key for image in planned.files.plan.to_drop for key in image.option_files)
    return [
        f"{key} is uploaded, too: from then on it holds for every image below s3://{bucket}/{prefix}."
        for key in keys
        if key == f"{prefix}{FOLDER_STEM}.json"
    ]


def _price_facts(stack: Stack) -> tuple[Any, ...]:
    """Return what decides the price of a plan, beside its files."""
    settings = settings_of(stack)
    return (
        settings.prices,
        settings.default_options,
        settings.max_attempts,
        settings.spend_limit,
        settings.prepares_images,
        settings.is_rehearsal,
    )


def _answer(act: Any) -> Response:
    try:
        answer: Response = act()
    except NotTaken as error:
        return JSONResponse({"error": str(error)}, error.status)
    except Faults as error:
        return JSONResponse({"error": str(error), "faults": error.by_name}, 422)
    except (CommandError, DropreelError, StackMissing) as error:
        return JSONResponse({"error": sentence(str(error))}, 409)
    except OSError as error:
        return JSONResponse({"error": f"The drop cannot be kept here: {error.strerror or error}."}, 507)
    return answer


async def _write(request: Request, draft: Draft, file: Path) -> None:
    """Write the body to a file, a megabyte at a time. Raises NotTaken, OSError, ClientDisconnect."""
    pieces: list[bytes] = []
    size = held = 0

    def write() -> None:
        draft.check_size(size, held)
        opened.write(b"".join(pieces))

    with file.open("xb") as opened:
        async for piece in request.stream():
            pieces.append(piece)
            size, held = size + len(piece), held + len(piece)
            if held >= _PIECE_BYTES:
                await run_in_threadpool(write)
                pieces, held = [], 0
        await run_in_threadpool(write)


async def _drain(request: Request) -> None:
    """Read the rest of the body: a browser that is still sending does not see the answer."""
    try:
        async for _ in request.stream():
            pass
    except (ClientDisconnect, RuntimeError):  # RuntimeError: it was read already
        return


def _remove(file: Path | None) -> None:
    if file is not None:
        file.unlink(missing_ok=True)
