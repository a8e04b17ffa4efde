"""The web application: all endpoints of the simulator."""

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
    """Returns the web application of a simulator, which it closes at shutdown."""

    @asynccontextmanager
    async def close_at_shutdown(_: FastAPI) -> AsyncIterator[None]:
        yield
        simulator.close()

    app = FastAPI(
        title="nohuman image-to-video (simulator)",
        description="The provider's documented contract, with real videos, for runs on your own machine.",
        version="1",
        lifespan=close_at_shutdown,
    )
    app.state.simulator = simulator

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        return error_answer(refusal.status, refusal.code, refusal.message)

    @app.exception_handler(RequestValidationError)
    async def refuse_control(_: Request, invalid: RequestValidationError) -> Response:
        # Only the control endpoints raise this: the provider's endpoints answer 400 themselves.
        errors = (f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in invalid.errors())
        return error_answer(422, "invalid_control_request", "; ".join(errors))

    app.include_router(provider_routes.router)
    app.include_router(control_routes.router)
    return app
