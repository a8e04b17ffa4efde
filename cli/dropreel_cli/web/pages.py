"""The pages: jobs, videos, one job; and the files that they show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dropreel.domain.forgetting import is_forgotten
from dropreel.domain.job import JobStatus
from dropreel.provider.limits import CONTENT_TYPES
from dropreel_cli.jobs_named import JOB_ID
from dropreel_cli.web.event_stream import restarted_stream, update_stream
from dropreel_cli.web.receipts import read_receipt
from dropreel_cli.web.selection import Selection, folders_of, select
from dropreel_cli.web.site import FOLDER
from dropreel_cli.web.stories import other_jobs, story_values

if TYPE_CHECKING:
    from starlette.requests import Request

    from dropreel.domain.job import Job, VideoObject
    from dropreel_cli.web.site import Site

_LONG_CACHE = "private, max-age=86400"
"""A thumbnail of a job never changes. A day, so that no browser keeps one of a forgotten image for long."""
_THUMBNAILS = 8


class Pages:
    """The routes that read."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._thumbnails = CapacityLimiter(_THUMBNAILS)
        self.routes = [
            Route("/", self.jobs),
            Route("/videos", self.videos),
            Route("/updates", self.updates),
            Route("/jobs/{job_id}", self.job),
            Route("/jobs/{job_id}/thumbnail", self.thumbnail),
            Route("/jobs/{job_id}/video", self.video),
            Route("/jobs/{job_id}/receipt", self.receipt),
            Route("/jobs/{job_id}/receipt/table", self.receipt_table),
            Route("/jobs/{job_id}/image", self.image),
        ]

    def jobs(self, request: Request) -> Response:
        """Every job, the newest first."""
        return self._list("/", "Jobs", Selection.of(request.query_params))

    def videos(self, request: Request) -> Response:
        """The completed jobs, as a grid of videos."""
        selection = Selection.of(request.query_params)
        return self._list("/videos", "Videos", replace(selection, fixed_status=JobStatus.COMPLETED.value))

    def _list(self, path: str, heading: str, selection: Selection) -> Response:
        snapshot = self.site.snapshot
        page = select(snapshot.jobs, selection)
        return self.site.page(
            "jobs.html",
            current=path,
            heading=heading,
            noun=selection.noun,
            selection=selection,
            page=page,
            cards=[self.site.card(job) for job in page.jobs],
            folders=folders_of(snapshot.jobs),
            statuses=list(JobStatus),
        )

    async def updates(self, request: Request) -> Response:
        """Server-sent events: the head of the page, and the cards of the selection that have changed."""
        version = request.headers.get("last-event-id") or request.query_params.get("version", "0")
        selection = Selection.of(request.query_params)
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 20 else 0
        is_of_this = request.query_params.get("board", "") in ("", self.site.updates.board_id)
        stream = update_stream(self.site, selection, number) if is_of_this else restarted_stream()
        return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    def job(self, request: Request) -> Response:
        """One job with its whole story, read again."""
        job = self.find(request)
        values = story_values(self.site, job)
        self.site.updates.feed.refresh([values["card_of_job"].job])
        return self.site.page("job.html", current="", others=other_jobs(self.site, job), **values)

    async def thumbnail(self, request: Request) -> Response:
        """A small picture of the image, or a drawing where there is none. Few are made at once: pages need threads, too."""
        job = await run_in_threadpool(self.find, request)
        made = await to_thread.run_sync(self.site.thumbnails.of_job, job, limiter=self._thumbnails)
        if made is None:
            return FileResponse(FOLDER / "static" / "no-picture.svg")
        return Response(made, media_type="image/webp", headers={"cache-control": _LONG_CACHE})

    def video(self, request: Request) -> Response:
        """The video: S3 serves it, by an address that is made now."""
        video = self._video(request)
        return self._object(request, video.bucket, video.key, video.version_id, "video/mp4")

    def receipt(self, request: Request) -> Response:
        """The video's receipt."""
        video = self._video(request)
        return self._object(request, video.bucket, video.receipt_key, None, "application/json")

    def receipt_table(self, request: Request) -> Response:
        """The receipt as a table, read from S3 now."""
        video = self._video(request)
        return self.site.page("receipt.html", job=self.find(request), receipt=read_receipt(self.site, video))

    def image(self, request: Request) -> Response:
        """The image as it was dropped. What may be no picture is a file to download, whatever its uploader calls it."""
        job = self.find(request)
        if is_forgotten(job):
            raise HTTPException(404, "The image was deleted.")
        image = job.image
        kind = CONTENT_TYPES.get(image.format or "")
        return self._object(request, image.bucket, image.key, image.version_id, kind)

    def _object(self, request: Request, bucket: str, key: str, version_id: str | None, kind: str | None) -> Response:
        """Return the way to an object in S3. One without a known media type is always a download."""
        response = {"ResponseContentType": kind or "application/octet-stream"}
        if kind is None or request.query_params.get("download") is not None:
            response["ResponseContentDisposition"] = _attachment(key)
        return RedirectResponse(self.site.presign(bucket, key, version_id, **response), 303)

    def _video(self, request: Request) -> VideoObject:
        """Return a job's video. Raises HTTPException (404)."""
        job = self.find(request)
        if job.video is None or is_forgotten(job):
            raise HTTPException(404, "The job has no video and no receipt.")
        return job.video

    def find(self, request: Request) -> Job:
        """Return the job of an address. Raises HTTPException (404)."""
        job_id = request.path_params["job_id"]
        job = self.site.snapshot.by_id.get(job_id)
        if job is None and JOB_ID.fullmatch(job_id):
            job = next(iter(self.site.operations.lists.jobs_of_ids([job_id])), None)
        if job is None:
            raise HTTPException(404, "There is no such job.")
        return job


def _attachment(key: str) -> str:
    """Return the Content-Disposition of a download under an object's own name."""
    name = quote(key.rpartition("/")[2], safe="")
    return f"attachment; filename*=UTF-8''{name}"
