"""The video is stored, completed on the job and published once, whatever fails on the way."""

import json
from dataclasses import replace

import pytest

from dropreel.domain.errors import RetryLater, VideoFault
from dropreel.domain.executions import failure_reason
from dropreel.domain.images import Image
from dropreel.domain.job import Charge, EventType, JobStatus, VideoObject
from dropreel.media.videos import video_key
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.use_cases.resume_job import ResumeJob
from tests.support.executions import generation_of
from tests.support.fake_stack import GENERATION, JOB_ID, FakeStack
from tests.support.fakes import OutageError, sha256
from tests.support.interleaving import just_after
from tests.support.tiny_video import tiny_video

FINISHED = Finished("https://cdn.example/v.mp4?sig=5ec2e7")
DELIVERED = {"outcome": "delivered"}
ENDED = {"outcome": "ended"}


@pytest.fixture
def ready(stack: FakeStack) -> FakeStack:
    """The provider has the video."""
    stack.put_job(charge=Charge.CHARGED)
    stack.provider.poll_answer = FINISHED
    return stack


def image(key: str) -> Image:
    return Image("uploads", key, size=5)


# --- what is delivered -------------------------------------------------------------------------------------------------


def test_a_delivered_video_is_in_the_bucket_on_the_job_and_published(ready: FakeStack):
    outcome = ready.deliver.run(GENERATION)

    assert outcome == DELIVERED
    (key,) = ready.videos.objects
    assert key == "holiday/beach-gen_1.mp4"
    assert ready.videos.objects[key][0] == tiny_video()
    assert ready.job.status is JobStatus.COMPLETED
    assert ready.job.video == VideoObject(
        bucket="videos",
        key=key,
        size=len(tiny_video()),
        sha256=sha256(tiny_video()),
        receipt_key="holiday/beach-gen_1.json",
        duration_seconds=1.0,
        width=32,
        height=32,
        version_id=f"version-{sha256(tiny_video())[:8]}",
    )
    assert ready.bus.types == [EventType.COMPLETED]
    assert ready.bus.published[0][1]["data"]["video"]["sha256"] == sha256(tiny_video())


def test_a_delivered_video_was_charged(ready: FakeStack):
    ready.deliver.run(GENERATION)

    assert ready.job.charge is Charge.CHARGED


def test_video_and_receipt_are_stored_before_the_job_is_completed(ready: FakeStack):
    ready.deliver.run(GENERATION)

    order = [action for action in ready.journal if action in ("put", "put_receipt", "save completed", "publish")]
    assert order == ["put", "put_receipt", "save completed", "publish", "save completed"]


def test_the_receipt_is_at_the_jobs_key_and_describes_the_same_video(ready: FakeStack):
    ready.clock.pass_seconds(42)

    ready.deliver.run(GENERATION)

    assert ready.job.video is not None
    receipt = ready.videos.receipts[ready.job.video.receipt_key]
    assert receipt["video"]["sha256"] == sha256(tiny_video())
    assert receipt["timings"]["generation_seconds"] == 42


def test_the_videos_facts_are_on_the_job_in_the_event_and_on_the_receipt(ready: FakeStack):
    ready.deliver.run(GENERATION)

    video = ready.job.video
    assert video is not None
    assert (video.duration_seconds, video.width, video.height) == (1.0, 32, 32)
    published = ready.bus.published[0][1]["data"]["video"]
    written = ready.videos.receipts[video.receipt_key]["video"]
    for found in (published, written):
        assert (found["duration_seconds"], found["width"], found["height"]) == (1.0, 32, 32)


def test_a_video_of_another_length_than_asked_is_delivered_with_a_warning(ready: FakeStack):
    ready.put_job(charge=Charge.CHARGED, warnings=("The image is small.",))

    ready.deliver.run(GENERATION)

    warnings = ("The image is small.", "The video is 1 s long; 5 s were asked for.")
    assert ready.job.warnings == warnings
    assert ready.videos.receipts["holiday/beach-gen_1.json"]["warnings"] == list(warnings)
    assert ready.bus.published[0][1]["data"]["warnings"] == list(warnings)


def test_the_videos_address_is_stored_nowhere(ready: FakeStack):
    ready.deliver.run(GENERATION)

    assert ready.source.opened == [FINISHED.result_url]
    kept = (ready.database.tables.items, ready.bus.published, ready.videos.objects, ready.videos.receipts)
    assert "5ec2e7" not in repr(kept)


# --- the video's metadata -----------------------------------------------------------------------------------------------


def test_a_videos_metadata_names_its_source_in_ascii(ready: FakeStack):
    ready.put_job(image=image("été/plage 1.jpg"))

    ready.deliver.run(GENERATION)

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata == {
        "source": "s3://uploads/%C3%A9t%C3%A9/plage%201.jpg",
        "job-id": JOB_ID,
        "generation-id": "gen_1",
    }


def test_a_source_too_long_for_s3s_metadata_is_left_to_the_receipt(ready: FakeStack):
    ready.put_job(image=image("é" * 512))

    ready.deliver.run(GENERATION)

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata == {"job-id": JOB_ID, "generation-id": "gen_1"}
    assert ready.job.video is not None
    assert ready.videos.receipts[ready.job.video.receipt_key]["image"]["key"] == "é" * 512


@pytest.mark.parametrize(("generation", "kept"), [("gén 1", "g%C3%A9n%201"), ("é" * 200, ("%C3%A9" * 200)[:1024])])
def test_any_generation_id_fits_into_s3s_metadata(ready: FakeStack, generation: str, kept: str):
    ready.put_job(generation_id=generation)

    ready.deliver.run(GENERATION._replace(generation_id=generation))

    ((_content, metadata),) = ready.videos.objects.values()
    assert metadata["generation-id"] == kept


def test_the_source_metadata_is_as_long_as_s3_allows(ready: FakeStack):
    for letters in range(1, 7):
        for more in range(320, 340):
            ready.put_job(image=image("k" * letters + "é" * more))
            ready.deliver.run(GENERATION)

    found = [metadata for _content, metadata in ready.videos.objects.values()]
    sizes = {sum(map(len, (*metadata, *metadata.values()))) for metadata in found if "source" in metadata}
    assert max(sizes) == 2048  # S3's limit on all names and values together
    assert any("source" not in metadata for metadata in found)


# --- once ----------------------------------------------------------------------------------------------------------------


def test_a_video_is_delivered_and_published_once(ready: FakeStack):
    ready.deliver.run(GENERATION)

    again = ready.deliver.run(GENERATION)

    assert again == DELIVERED
    assert ready.journal.count("put") == 1
    assert ready.bus.types == [EventType.COMPLETED]


def test_a_video_that_an_earlier_try_has_copied_is_not_fetched_again(ready: FakeStack):
    ready.videos.fails_before = {"put_receipt"}
    with pytest.raises(OutageError):
        ready.deliver.run(GENERATION)
    ready.videos.fails_before = set()
    ready.provider.poll_answer = PollFault("the provider is down")

    assert ready.deliver.run(GENERATION) == DELIVERED
    assert (len(ready.source.opened), ready.journal.count("put")) == (1, 1)
    assert ready.job.video is not None
    assert ready.job.video.size == len(tiny_video())
    assert ready.bus.types == [EventType.COMPLETED]


@pytest.mark.parametrize("metadata", [{}, {"job-id": "another"}])
def test_another_object_at_the_videos_key_is_not_accepted_as_the_video(ready: FakeStack, metadata):
    ready.videos.objects[video_key(ready.job)] = (b"not ours", metadata)

    ready.deliver.run(GENERATION)

    assert ready.videos.objects[video_key(ready.job)][0] == tiny_video()


def test_an_incomplete_video_at_the_key_is_replaced(ready: FakeStack):
    ready.deliver.run(GENERATION)
    (key,) = ready.videos.objects
    ready.videos.objects[key] = (tiny_video()[:50], ready.videos.objects[key][1])
    ready.put_job(charge=Charge.CHARGED)

    ready.deliver.run(GENERATION)

    assert ready.videos.objects[key][0] == tiny_video()


# --- faults ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [InProgress("processing"), PollFault("answered 500", 500), GenerationFailed("x")])
def test_a_delivery_without_an_address_is_retried(ready: FakeStack, answer):
    ready.provider.poll_answer = answer

    with pytest.raises(RetryLater):
        ready.deliver.run(GENERATION)

    assert ready.job.status is JobStatus.GENERATING


@pytest.mark.parametrize("sends_length", [True, False])
def test_a_cut_video_becomes_no_object_and_ends_no_job(ready: FakeStack, sends_length):
    ready.source.content, ready.source.sends_length = tiny_video()[:-1], sends_length

    with pytest.raises(VideoFault):
        ready.deliver.run(GENERATION)

    assert ready.videos.objects == {}
    assert ready.job.status is JobStatus.GENERATING
    assert ready.bus.published == []


@pytest.mark.parametrize(
    ("outside", "when", "action"),
    [
        ("source", "fails_before", "open"),
        ("videos", "fails_before", "put"),
        ("videos", "fails_after", "put"),
        ("videos", "fails_before", "put_receipt"),
        ("videos", "fails_after", "put_receipt"),
        ("database", "fails_before", "save completed"),
        ("database", "fails_after", "save completed"),
        ("bus", "fails_before", "publish"),
        ("bus", "fails_after", "publish"),
    ],
)
def test_a_delivery_that_crashed_is_repaired_by_the_next(ready: FakeStack, outside, when, action):
    broken = getattr(getattr(ready, outside), when)
    broken.add(action)
    with pytest.raises(OutageError):
        ready.deliver.run(GENERATION)
    broken.clear()

    outcome = ready.deliver.run(GENERATION)

    assert outcome == DELIVERED
    assert list(ready.videos.objects) == ["holiday/beach-gen_1.mp4"]
    assert (ready.job.status, ready.job.pending_events) == (JobStatus.COMPLETED, frozenset())
    ids = {detail["metadata"]["id"] for _type, detail in ready.bus.published}
    assert (set(ready.bus.types), len(ids)) == ({EventType.COMPLETED}, 1)


def test_a_job_that_changes_during_the_copy_is_delivered_by_the_next_try(ready: FakeStack):
    job = ready.job
    just_after(ready.videos, "put", lambda: ready.jobs.save(job, replace(job, warnings=("The image is small.",))))
    with pytest.raises(RetryLater):
        ready.deliver.run(GENERATION)
    assert (ready.job.status, ready.bus.published) == (JobStatus.GENERATING, [])

    assert ready.deliver.run(GENERATION) == DELIVERED
    assert (ready.job.warnings[0], len(ready.source.opened)) == ("The image is small.", 1)


def test_owed_events_are_published_before_the_completion(ready: FakeStack):
    ready.put_job(charge=Charge.CHARGED, pending_events=frozenset({EventType.SUBMITTED}))

    ready.deliver.run(GENERATION)

    assert ready.bus.types == [EventType.SUBMITTED, EventType.COMPLETED]
    assert ready.job.pending_events == frozenset()


def test_a_video_with_nothing_to_play_fails_and_can_be_resumed(ready: FakeStack):
    ready.source.content = tiny_video().replace(b"vide", b"soun")
    with pytest.raises(VideoFault) as caught:
        ready.deliver.run(GENERATION)
    cause = json.dumps({"errorType": "Runtime.HandlerError", "errorMessage": str(caught.value)})

    ready.report.run(GENERATION, failure_reason({"check": {"outcome": "completed"}, "error": {"Cause": cause}}))

    assert (ready.job.status, ready.job.charge, ready.queue.sent) == (JobStatus.FAILED, Charge.CHARGED, [])
    reason = ready.bus.published[0][1]["data"]["reason"]
    assert reason["code"] == "video_without_media"
    assert "no video track" in reason["message"]
    assert f"`dropreel resume {JOB_ID}`" in reason["next_step"]
    ready.source.content = tiny_video()
    ResumeJob(ready.jobs, ready.state_machine, ready.publisher, ready.clock).run(JOB_ID)
    ready.deliver.run(generation_of(ready.job))
    assert (ready.job.status, ready.provider.sent) == (JobStatus.COMPLETED, [])


# --- which jobs are delivered -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.GENERATING])
def test_a_job_that_is_not_generating_is_not_delivered(ready: FakeStack, status):
    before = ready.put_job(status=status)

    assert ready.deliver.run(GENERATION) == (DELIVERED if status is JobStatus.COMPLETED else ENDED)
    assert (ready.provider.polled, ready.videos.objects, ready.bus.types) == ([], {}, [])
    assert ready.job == before


@pytest.mark.parametrize("later", [{"attempt": 2}, {"resumes": 1}, {"generation_id": "gen_2", "resumes": 1}])
def test_a_delivery_by_a_superseded_execution_does_nothing(ready: FakeStack, later):
    """A redriven old execution: of an earlier attempt, or from before a resume or an adoption."""
    before = ready.put_job(charge=Charge.CHARGED, **later)

    assert ready.deliver.run(GENERATION) == ENDED
    assert (ready.provider.polled, ready.videos.objects, ready.bus.types) == ([], {}, [])
    assert ready.job == before


def test_a_delivery_of_a_missing_job_is_retried(stack: FakeStack):
    with pytest.raises(RetryLater):
        stack.deliver.run(GENERATION)
