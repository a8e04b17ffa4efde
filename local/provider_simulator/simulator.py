"""The state of one running simulator."""

from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from .faults import FaultScript
from .generations import Ledger, Pace
from .image_check import ImageChecker
from .rendering import FRAMES_PER_SECOND, render_video
from .result_links import ResultLinks
from .videos import Videos


class Simulator:
    """All state of one run. The seed is for the probabilities of fault rules alone."""

    def __init__(
        self, api_key: str, pace: Pace, seed: int | None = None, frames_per_second: int = FRAMES_PER_SECOND
    ) -> None:
        self.api_key = api_key
        self.ledger = Ledger(pace)
        self.faults = FaultScript(seed)
        self.images = ImageChecker()
        self.videos = Videos(partial(render_video, frames_per_second=frames_per_second))
        self.links = ResultLinks()
        self.image_secrets: set[str] = set()
        """What is secret in the address of every image that was sent: its signature, and a token where it has one."""

    def reset(self) -> None:
        """Deletes submissions, generations and fault rules. Pace and finished videos are kept."""
        self.faults.replace([])
        self.ledger.clear()
        self.videos.cancel_unfinished()

    def close(self) -> None:
        """Stops the background work and removes its files."""
        self.videos.close()


async def _of_this_app(request: Request) -> Simulator:
    simulator: Simulator = request.app.state.simulator
    return simulator


CurrentSimulator = Annotated[Simulator, Depends(_of_this_app)]
"""An endpoint's parameter of this type is its application's simulator."""
