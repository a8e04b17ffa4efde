"""The board as an ASGI application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from dropreel.domain.errors import DropreelError
from dropreel_cli.aws_errors import explain
from dropreel_cli.exits import CommandError
from dropreel_cli.stack import StackMissing
from dropreel_cli.web.actions import Actions
from dropreel_cli.web.charges import Charges
from dropreel_cli.web.drops import Drops
from dropreel_cli.web.guard import Access, Guard
from dropreel_cli.web.pages import Pages
from dropreel_cli.web.site import FOLDER, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request


_SHOWN: tuple[type[Exception], ...] = (
    HTTPException,
    BotoCoreError,
    ClientError,
    CommandError,
    DropreelError,
    StackMissing,
)
"""Errors whose message is for people."""


def create_application(site: Site, access: Access) -> Guard:
    """Return the board behind its guard."""
    parts = (Pages(site), Actions(site), Charges(site), Drops(site))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with site.updates.running(), site.drafts.running():
            yield

    def show_error(request: Request, error: Exception) -> Response:
        status, message = 502, str(error)
        if isinstance(error, HTTPException):
            status, message = error.status_code, error.detail
        elif isinstance(error, BotoCoreError | ClientError):
            message = explain(error)
        if request.method not in ("GET", "HEAD"):
            return JSONResponse({"error": message}, status)
        return site.page("message.html", status, current="", heading="Not possible", message=message)

    def show_fault(request: Request, error: Exception) -> Response:
        """Show an error of ours without its details: its traceback is in the terminal."""
        return show_error(
            request, HTTPException(500, f"The board failed ({type(error).__name__}); its terminal says more.")
        )

    static = StaticFiles(directory=FOLDER / "static")
    application = Starlette(
        routes=[*(route for part in parts for route in part.routes), Mount("/static", static)],
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(_SHOWN, show_error) | {Exception: show_fault},
    )
    return Guard(application, access, site.media_origins())
