"""Copy a finished video to the videos bucket, write its receipt and publish its event."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dropreel.domain.errors import RetryLater, VideoFault
from dropreel.domain.executions import Generation
from dropreel.domain.job import Job, JobStatus, VideoObject, complete
from dropreel.domain.receipts import receipt_key, receipt_of
from dropreel.domain.rehearsals import is_rehearsal_id
from dropreel.media.video_stream import PIECE_BYTES, StoredVideo, VideoStream
from dropreel.media.videos import video_key, video_metadata, video_warnings
from dropreel.provider.poll_answers import Finished
from dropreel.use_cases.publish_events import Publisher

if TYPE_CHECKING:
    from dropreel.use_cases.ports import Jobs, PolledProvider, Videos, VideoSource


@dataclass(frozen=True)
class DeliverVideo:
    """Runs after the payment, any number of times. A job becomes `completed` only when its video is in the bucket."""

    jobs: "Jobs"
    provider: "PolledProvider"
    source: "VideoSource"
    rehearsal_source: "VideoSource"
    videos: "Videos"
    publisher: Publisher
    now: Callable[[], datetime]

    def run(self, generation: Generation) -> dict[str, Any]:
        """Return `{"outcome": "delivered" | "ended"}`. Raises RetryLater, VideoFault or PublishFault where it must run again."""
        job = self.jobs.get(generation.job_id)
        if job is None:
            raise RetryLater(f"job {generation.job_id} is not in the job table")
        if generation.is_current(job):
            job = self._copy(job)
        job = self.publisher.publish(job)
        return {"outcome": "delivered" if job.status is JobStatus.COMPLETED else "ended"}

    def _copy(self, job: Job) -> Job:
        """Copy the video, write the receipt, complete the job: in this order, so that each may be repeated."""
        key = video_key(job)
        stored = self.videos.find(key, video_metadata(job))
        stream, version_id = self._reuse(stored) or self._download(key, job, stored)
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

    def _reuse(self, stored: StoredVideo | None) -> tuple[VideoStream, str | None] | None:
        """Return the video that an earlier run has copied, read to its end; None if there is none, or not a whole one."""
        if stored is None or stored.stream is None:
            return None
        try:
            while stored.stream.read(PIECE_BYTES):
                pass
        except VideoFault:
            return None
        return stored.stream, stored.version_id

    def _download(self, key: str, job: Job, stored: StoredVideo | None) -> tuple[VideoStream, str | None]:
        """Copy the provider's video to `key`, in place of what is `stored` there. Raises RetryLater if another run was first."""
        answer = self.provider.poll(job.generation_id or "")  # the address may have expired since the last poll
        if not isinstance(answer, Finished):
            raise RetryLater(f"job {job.job_id}: the provider gives no address of the video now: {answer}")
        # The id decides, not the URL, which is untrusted.
        source = self.rehearsal_source if is_rehearsal_id(job.generation_id) else self.source
        with source.open(answer.result_url) as stream:
            version_id = self.videos.put(key, stream, video_metadata(job), None if stored is None else stored.etag)
        return stream, version_id
