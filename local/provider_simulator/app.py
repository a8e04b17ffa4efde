"""Puts the simulator's endpoints together into one web application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from . import control_routes, provider_routes
from .contract import Refusal
from .fault_answers import error_answer
from .simulator import Simulator


def create_app(simulator: Simulator) -> FastAPI:
    """The web application over a simulator, which it closes when it goes down."""

    @asynccontextmanager
    async def close_at_the_end(_: FastAPI) -> AsyncIterator[None]:
        yield
        simulator.close()

    app = FastAPI(
        title="nohuman image-to-video (simulator)",
        description="The provider's documented contract, with real videos, for runs on your own machine.",
        version="1",
        lifespan=close_at_the_end,
    )
    app.state.simulator = simulator

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        return error_answer(refusal.status, refusal.code, refusal.message)

    @app.exception_handler(RequestValidationError)
    async def refuse_control(_: Request, invalid: RequestValidationError) -> Response:
        # Only the control endpoints come here: the provider's answer 400 by themselves.
        complaints = (f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in invalid.errors())
        return error_answer(422, "invalid_control_request", "; ".join(complaints))

    app.include_router(provider_routes.router)
    app.include_router(control_routes.router)
    return app
