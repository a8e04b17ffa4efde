"""The simulator's control endpoints, which the provider does not have: submissions, counts, faults and pace."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from .faults import FaultRule
from .simulator import CurrentSimulator


class PaceChange(BaseModel):
    """Seconds of each stage for later submissions; a stage that is left out keeps its value."""

    model_config = ConfigDict(extra="forbid", strict=True)

    created_seconds: float = Field(1.0, ge=0, allow_inf_nan=False)
    processing_seconds: float = Field(6.0, ge=0, allow_inf_nan=False)
    result_url_seconds: float = Field(
        3600.0, ge=0, allow_inf_nan=False, description="How long a result address is valid."
    )


class RenderingChange(BaseModel):
    """How videos are rendered for later submissions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    one_for_all: bool = Field(description="Whether all images share one video for each shape, length and prompt.")


router = APIRouter(prefix="/simulator", tags=["simulator"])
"""The control endpoints. They need no key: the simulator listens on loopback only."""


@router.get("/submissions")
async def submissions(simulator: CurrentSimulator) -> list[dict[str, Any]]:
    """Every POST that reached the provider's endpoint, in order."""
    return simulator.ledger.submissions()


@router.get("/summary")
async def summary(simulator: CurrentSimulator) -> dict[str, Any]:
    """Submissions, what was paid, polls and downloads by generation, and the most submissions at once."""
    return simulator.ledger.summary()


@router.get("/secrets")
async def secrets(simulator: CurrentSimulator) -> list[str]:
    """The signatures and tokens of all addresses that were sent or given out, so that tests can search for them."""
    return sorted(simulator.image_secrets | simulator.links.given)


@router.put("/faults")
async def replace_faults(rules: list[FaultRule], simulator: CurrentSimulator) -> dict[str, int]:
    """Replaces all fault rules. The first rule that matches a call and has times left acts."""
    simulator.faults.replace(rules)
    return {"rules": len(rules)}


@router.delete("/faults")
async def clear_faults(simulator: CurrentSimulator) -> dict[str, int]:
    """Removes all fault rules."""
    simulator.faults.replace([])
    return {"rules": 0}


@router.put("/pace")
async def change_pace(pace: PaceChange, simulator: CurrentSimulator) -> dict[str, float]:
    """Changes the seconds of each stage."""
    given = {name: float(getattr(pace, name)) for name in pace.model_fields_set}
    return vars(simulator.ledger.change_pace(**given))


@router.put("/rendering")
async def change_rendering(rendering: RenderingChange, simulator: CurrentSimulator) -> dict[str, bool]:
    """Renders a video for each image, or one for all: rendering takes most of the time in runs of many images."""
    simulator.videos.one_for_all = rendering.one_for_all
    return {"one_for_all": rendering.one_for_all}


@router.post("/reset")
async def reset(simulator: CurrentSimulator) -> dict[str, int]:
    """Deletes submissions, generations and fault rules."""
    simulator.reset()
    return {"submissions": 0, "rules": 0}
