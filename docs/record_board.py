"""Draws docs/pictures/board-light.png and board-dark.png: the board of a local run, see `make screenshots`.

The images are parts of local/sample.jpg. Some become videos, one is generating, one is held, one failed and one is unknown.
"""

import io
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from playwright.sync_api import Page

from dropreel.domain.job import JobStatus
from dropreel_cli.job_lists import JobLists
from dropreel_cli.option_metadata import option_metadata
from local.cloud import ROOT, LocalCloud, running_cloud
from tests.support.board_server import running_board
from tests.support.browser import running_browser

PARAMETERS = {
    "PollIntervalSeconds": "1",
    "UploadSettleSeconds": "0",
    "GenerationTimeoutMinutes": "30",
    "DailySpendLimitUsd": "4",
    "MaxAttempts": "1",
}
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1280, "height": 860}
FAIL = [{"on": "submit", "times": 1, "do": {"kind": "fail", "error": "the picture is too dark"}}]
CUT = [{"on": "submit", "times": 1, "do": {"kind": "cut", "paid": True}}]
SCENES: tuple[tuple[str, str, tuple[float, float, float, float], list[dict[str, Any]]], ...] = (
    ("meadow/too-dark.jpg", "clouds pass quickly", (0.0, 0.0, 0.4, 0.4), FAIL),
    ("meadow/evening.jpg", "the sun sets behind the grass", (0.3, 0.1, 1.0, 0.8), []),
    ("meadow/close-up.jpg", "slow push in on the seeds", (0.1, 0.1, 0.6, 0.7), []),
    ("meadow/lost-answer.jpg", "slow zoom out", (0.5, 0.3, 1.0, 1.0), CUT),
    ("shop/poster.jpg", "a light breeze, camera pans left", (0.0, 0.0, 1.0, 1.0), []),
    ("shop/banner.jpg", "the seeds fly away", (0.0, 0.3, 0.9, 1.0), []),
)
"""Key, prompt, the part of the sample (left, upper, right, lower), and what the provider does wrong."""


def main() -> None:
    """Run the scene and draw it in both schemes."""
    with running_cloud(print, PARAMETERS, created_seconds=0.5, processing_seconds=2, frames_per_second=12) as cloud:
        for key, prompt, part, faults in SCENES:
            cloud.simulator.client.set_faults(faults)
            put(cloud, key, prompt, part)
            wait_for(cloud, key, lambda status: status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.UNKNOWN))
        cloud.simulator.client.set_pace(created_seconds=2, processing_seconds=600)
        put(cloud, "shop/window.jpg", "dolly forward through the flowers", (0.2, 0.0, 1.0, 0.9))
        wait_for(cloud, "shop/window.jpg", lambda status: status is JobStatus.GENERATING)
        put(cloud, "shop/tomorrow.jpg", "orbit around the flower", (0.05, 0.0, 0.75, 0.75))
        put(cloud, "shop/tomorrow-2.jpg", "orbit around the flower", (0.0, 0.05, 0.75, 0.75), mode="hq")
        wait_for(cloud, "shop/tomorrow-2.jpg", lambda status: status is JobStatus.HELD)
        with running_browser() as browser, running_board(cloud.stack) as board:
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
                page.goto(board.address)
                draw(page, PICTURES / f"board-{scheme}.png")


def put(cloud: LocalCloud, key: str, prompt: str, part: tuple[float, float, float, float], **options: str) -> None:
    """Upload a part of the sample under a key."""
    with Image.open(ROOT / "local" / "sample.jpg") as sample:
        left, upper, right, lower = part
        box = (left * sample.width, upper * sample.height, right * sample.width, lower * sample.height)
        image = ImageOps.fit(sample.crop(tuple(map(round, box))), (1280, 720))  # type: ignore[arg-type]
    content = io.BytesIO()
    image.save(content, "JPEG", quality=90)
    client: Any = cloud.stack.client("s3")
    metadata = option_metadata({"prompt": prompt, **options})
    bucket = cloud.stack.outputs["UploadsBucketName"]
    client.put_object(Bucket=bucket, Key=key, Body=content.getvalue(), Metadata=metadata)


def wait_for(cloud: LocalCloud, key: str, condition: Any) -> None:
    """Return once the newest job of a key has a status. Raises TimeoutError."""
    lists = JobLists(cloud.stack.client("dynamodb"), cloud.stack.outputs["JobsTableName"])
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if any(condition(job.status) for job in lists.jobs_of_key(key)):
            return
        time.sleep(0.3)
    raise TimeoutError(f"{key} did not get there")


def draw(page: Page, file: Path) -> None:
    """Draw the page once its pictures are there."""
    page.wait_for_function("() => document.querySelectorAll('.card').length >= 9")
    page.wait_for_function("() => [...document.images].slice(0, 6).every(one => one.complete)")
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
    print(file.name)  # noqa: T201


if __name__ == "__main__":
    main()
