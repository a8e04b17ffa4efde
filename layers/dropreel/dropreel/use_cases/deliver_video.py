"""Copy the finished video to the videos bucket and publish that it is there."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from dropreel.adapters.job_table import JobTable
from dropreel.adapters.video_bucket import StoredVideo, VideoBucket
from dropreel.adapters.video_source import PIECE_BYTES, VideoSource, VideoStream
from dropreel.domain.errors import RetryLater, VideoFault
from dropreel.domain.job import Job, JobStatus, VideoObject, complete
from dropreel.domain.messages import Generation
from dropreel.domain.receipts import receipt_key, receipt_of
from dropreel.media.videos import video_key, video_metadata, video_warnings
from dropreel.provider.answers import Finished
from dropreel.provider.client import ProviderClient
from dropreel.use_cases.publish_events import Publisher


@dataclass(frozen=True)
class DeliverVideo:
    """The step after the money. It may run any number of times: the video is in the bucket before the job says so."""

    jobs: JobTable
    provider: ProviderClient
    source: VideoSource
    videos: VideoBucket
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "delivered" | "ended"}`. Raises RetryLater, VideoFault or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise RetryLater(f"job {generation.job_id} is not in the job table")
        if generation.is_current(job):
            job = self._copied(job)
        job = self.publisher.publish(job)
        return {"outcome": "delivered" if job.status is JobStatus.COMPLETED else "ended"}

    def _copied(self, job: Job) -> Job:
        key = video_key(job)
        there = self.videos.find(key, video_metadata(job))
        stream, version_id = self._there_already(there) or self._fetched(key, job, there)
        video = VideoObject(
            bucket=self.videos.bucket,
            key=key,
            size=stream.size,
            sha256=stream.sha256,
            receipt_key=receipt_key(key),
            version_id=version_id,
            **asdict(stream.facts),
        )
        duration = 0 if job.options is None else job.options.duration
        now = self.now()
        after = complete(job, video, (*stream.warnings, *video_warnings(duration, stream.facts)), now)
        self.videos.put_receipt(video.receipt_key, receipt_of(after, video, now))
        completed = self.jobs.save(job, after)
        if completed is None:
            raise RetryLater(f"job {job.job_id} was changed while its video was copied")
        return completed

    def _there_already(self, there: StoredVideo | None) -> tuple[VideoStream, str | None] | None:
        """Read the video that another delivery has copied, if one did: the provider need not be asked for it again."""
        if there is None or there.stream is None:
            return None
        try:
            while there.stream.read(PIECE_BYTES):
                pass
        except VideoFault:  # not what we put there: copy it anew
            return None
        return there.stream, there.version_id

    def _fetched(self, key: str, job: Job, there: StoredVideo | None) -> tuple[VideoStream, str | None]:
        """Copy the video in place of what is `there`, which is not the video. Raises RetryLater if another delivery was first."""
        answer = self.provider.poll(job.generation_id or "")
        if not isinstance(answer, Finished):
            raise RetryLater(f"job {job.job_id}: the provider gives no address of the video now: {answer}")
        with self.source.open(answer.result_url) as stream:
            version_id = self.videos.put(key, stream, video_metadata(job), None if there is None else there.etag)
        return stream, version_id
