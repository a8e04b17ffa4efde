"""Copy the finished video to the videos bucket and tell everybody."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.provider_api import ProviderApi
from dropreel.adapters.video_bucket import VideoBucket
from dropreel.adapters.video_source import PIECE_BYTES, VideoSource, VideoStream
from dropreel.answers import Finished
from dropreel.errors import TryAgain, VideoFault
from dropreel.events import EventType
from dropreel.jobs import Job, JobStatus, VideoObject
from dropreel.messages import Generation
from dropreel.receipts import receipt_key, receipt_of
from dropreel.use_cases.announce import Announcer
from dropreel.videos import video_key, video_metadata, video_warnings


@dataclass(frozen=True)
class DeliverVideo:
    """The step after the money. It may run any number of times: the video is in the bucket before the job says so."""

    jobs: JobTable
    provider: ProviderApi
    source: VideoSource
    videos: VideoBucket
    announcer: Announcer
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "delivered" | "ended"}`. Raises TryAgain, VideoFault or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise TryAgain(f"job {generation.job_id} is not in the job table")
        if generation.is_watched(job):
            job = self._copied(job)
        self.announcer.announce(job)
        return {"outcome": "delivered" if job.status is JobStatus.COMPLETED else "ended"}

    def _copied(self, job: Job) -> Job:
        key = video_key(job)
        stream = self._there_already(key, job) or self._fetched(key, job)
        video = VideoObject(
            self.videos.bucket, key, stream.size, stream.sha256, receipt_key(key), **asdict(stream.facts)
        )
        warnings = (*stream.warnings, *video_warnings(job.options, stream.facts))
        job = replace(job, warnings=(*job.warnings, *warnings))
        now = self.now()
        self.videos.put_receipt(video.receipt_key, receipt_of(job, video, now))
        completed = self.jobs.finish(
            job, JobStatus.COMPLETED, now, EventType.COMPLETED, video=video, warnings=job.warnings
        )
        if completed is None:
            raise TryAgain(f"job {job.job_id} was changed while its video was copied")
        return completed

    def _there_already(self, key: str, job: Job) -> VideoStream | None:
        """Read the video that an earlier try has copied, if it did: the provider need not be asked for it again."""
        stream = self.videos.find(key, video_metadata(job))
        if stream is None:
            return None
        try:
            while stream.read(PIECE_BYTES):
                pass
        except VideoFault:  # not what we put there: copy it anew
            return None
        return stream

    def _fetched(self, key: str, job: Job) -> VideoStream:
        answer = self.provider.poll(job.generation_id or "")
        if not isinstance(answer, Finished):
            raise TryAgain(f"job {job.job_id}: the provider gives no address of the video now: {answer}")
        with self.source.open(answer.result_url) as stream:
            self.videos.put(key, stream, video_metadata(job))
        return stream
