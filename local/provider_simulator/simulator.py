"""What one running simulator is made of."""

from typing import Annotated

from fastapi import Depends, Request

from .faults import FaultScript
from .generations import Ledger, Pace
from .image_check import ImageChecker
from .result_links import ResultLinks
from .videos import Videos


class Simulator:
    """All state of one run. The seed makes the draws of fault rules repeat; nothing else depends on it."""

    def __init__(self, api_key: str, pace: Pace, seed: int | None = None) -> None:
        self.api_key = api_key
        self.ledger = Ledger(pace)
        self.faults = FaultScript(seed)
        self.images = ImageChecker()
        self.videos = Videos()
        self.links = ResultLinks()

    def reset(self) -> None:
        """Forgets submissions, generations and faults. Pace and finished videos stay."""
        self.faults.replace([])
        self.ledger.forget()
        self.videos.forget_unfinished()

    def close(self) -> None:
        """Stops what runs in the background and removes its files."""
        self.videos.close()


async def _of_this_app(request: Request) -> Simulator:
    simulator: Simulator = request.app.state.simulator
    return simulator


CurrentSimulator = Annotated[Simulator, Depends(_of_this_app)]
"""An endpoint's parameter of this type is the simulator that its application serves."""
