"""One job on a page of its own: its picture beside its video, its timeline, and all that is known of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from dropreel.domain.forgetting import is_forgotten
from dropreel_cli.console_links import execution_arn
from dropreel_cli.job_details import read_story
from dropreel_cli.job_story import sections
from dropreel_cli.web.timeline import timeline_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dropreel.domain.job import Job
    from dropreel_cli.job_story import JobStory
    from dropreel_cli.web.histories import Polls
    from dropreel_cli.web.site import Site

KEPT_SECONDS = 2.0
"""So long what was read of a job serves all pages that show it."""
MAX_OTHERS = 20
"""The most other jobs of the same image that are listed."""
_LINK_TEXTS = {
    "image": "the image in S3",
    "video": "the video in S3",
    "execution": "the execution in Step Functions",
    "item": "the item in DynamoDB",
    "logs": "the logs in CloudWatch",
}
_OBJECTS = ("image", "video")
_SHOWN_APART = ("Options", "Look further", "Next step")


@dataclass
class Stories:
    """Reads a job's rows and executions once for all pages that show it."""

    _kept: dict[str, tuple[float, Job, JobStory, Polls]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_job(self, site: Site, job: Job) -> tuple[JobStory, Polls]:
        """Return what was read of a job in this state, where that is seconds ago; else read it."""
        with self._lock:
            now = time.monotonic()
            self._kept = {name: each for name, each in self._kept.items() if now - each[0] < KEPT_SECONDS}
            if (kept := self._kept.get(job.job_id)) is not None and job in (kept[1], kept[2].job):
                return kept[2], kept[3]
            story = read_story(site.stack, site.operations.lists, [job], site.arguments, lambda _: site.resources)
            polls = site.histories.of_job(story.job)
            self._kept[job.job_id] = time.monotonic(), job, story, polls
            return story, polls


def render_story(site: Site, job: Job) -> str:
    """Return the parts of a job's page, read again."""
    return site.render("story.html", **story_values(site, job))


def story_values(site: Site, job: Job) -> dict[str, Any]:
    """Return what `story.html` shows of a job: one read of its rows, and what is new of its executions."""
    story, polls = site.stories.of_job(site, job)
    found = [each for each in sections(story) if each.heading not in _SHOWN_APART]
    return {
        "card_of_job": site.card(story.job),
        "story": story,
        "timeline": timeline_of(story, polls),
        "sections": found,
        "links": list(_links(story)),
        "ids": list(_ids(site, story.job)),
    }


def other_jobs(site: Site, job: Job) -> list[Job]:
    """Return the other jobs of the same image, the newest first."""
    found = site.operations.lists.jobs_of_key(job.image.key)
    others = (other for other in found if other.job_id != job.job_id and other.image.bucket == job.image.bucket)
    return list(islice(others, MAX_OTHERS))


def _links(story: JobStory) -> Iterator[tuple[str, str]]:
    """Yield texts and addresses of AWS's console. The local cloud has none."""
    for name, address in story.links.items():
        if address.startswith("https://") and not (name in _OBJECTS and is_forgotten(story.job)):
            yield _LINK_TEXTS.get(name, name), address


def _ids(site: Site, job: Job) -> Iterator[tuple[str, str]]:
    """Yield what is copied to search elsewhere."""
    yield "Job", job.job_id
    if job.generation_id:
        yield "Generation", job.generation_id
        yield "Execution", execution_arn(site.stack.outputs["StateMachineArn"], job)
    if job.request_id:
        yield "Request", job.request_id
    yield "Image", f"s3://{job.image.bucket}/{job.image.key}"
    if job.video is not None:
        yield "Video", f"s3://{job.video.bucket}/{job.video.key}"
