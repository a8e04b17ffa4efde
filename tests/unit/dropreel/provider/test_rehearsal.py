"""What answers in place of the provider."""

import pytest

from dropreel.domain.options import Options
from dropreel.domain.rehearsals import is_rehearsal_id
from dropreel.provider.by_generation import ProviderByGeneration
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollFault
from dropreel.provider.reading import Reply, submit_answer
from dropreel.provider.refusals import is_content_refusal
from dropreel.provider.rehearsal import FAILURE_PHRASE, VIDEO_NAMES, NoProvider, Rehearsal
from dropreel.provider.submit_answers import Accepted, NotSent, Refused, Unknown, is_usable_id
from tests.support.fakes import Clock
from tests.support.sample_jobs import OPTIONS

URL = "https://uploads.s3.amazonaws.com/a.jpg?X-Amz-Signature=abc"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rehearsal_of(clock: Clock, unreadable: str | None = None) -> Rehearsal:
    numbers = iter(range(1000))
    return Rehearsal(lambda _url: unreadable, clock, lambda: f"{next(numbers):08x}")


def accepted(rehearsal: Rehearsal, options: Options = OPTIONS) -> str:
    """Submit; return the generation's id."""
    answer = rehearsal.prepare(options, URL).send()
    assert isinstance(answer, Accepted)
    assert answer.provider_status == "created"
    return answer.generation_id


def test_a_submission_is_accepted_with_an_id_that_says_rehearsal(clock):
    rehearsal = rehearsal_of(clock)

    first, second = accepted(rehearsal), accepted(rehearsal)

    assert first != second
    assert all(one.startswith("rehearsal_") and is_rehearsal_id(one) and is_usable_id(one) for one in (first, second))
    assert "X-Amz" not in first


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [(0, InProgress("created")), (4, InProgress("created")), (6, InProgress("processing")), (14, InProgress("processing")),
     (16, Finished("rehearsal:16x9-5-sound")), (1_000_000, Finished("rehearsal:16x9-5-sound"))],
)  # fmt: skip
def test_a_generation_moves_on_with_time(clock, seconds, answer):
    rehearsal = rehearsal_of(clock)
    generation_id = accepted(rehearsal)
    clock.pass_seconds(seconds)

    assert rehearsal.poll(generation_id) == answer
    assert rehearsal.poll(generation_id) == answer


def test_a_new_process_answers_the_same(clock):
    generation_id = accepted(rehearsal_of(clock))
    clock.pass_seconds(20)

    assert isinstance(rehearsal_of(clock).poll(generation_id), Finished)


@pytest.mark.parametrize("aspect_ratio", ["16:9", "9:16", "1:1"])
@pytest.mark.parametrize("duration", [5, 10])
@pytest.mark.parametrize("sound", [True, False])
def test_the_video_has_the_options_shape_duration_and_sound(clock, aspect_ratio, duration, sound):
    rehearsal = rehearsal_of(clock)
    options = OPTIONS._replace(aspect_ratio=aspect_ratio, duration=duration, sound=sound)
    generation_id = accepted(rehearsal, options)
    clock.pass_seconds(20)

    answer = rehearsal.poll(generation_id)

    track = "sound" if sound else "silent"
    assert answer == Finished(f"rehearsal:{aspect_ratio.replace(':', 'x')}-{duration}-{track}")
    assert answer.result_url.removeprefix("rehearsal:") in VIDEO_NAMES


@pytest.mark.parametrize("prompt", [FAILURE_PHRASE, f"zoom in, {FAILURE_PHRASE.upper()}, slowly"])
def test_a_prompt_can_ask_for_a_failure(clock, prompt):
    rehearsal = rehearsal_of(clock)
    generation_id = accepted(rehearsal, OPTIONS._replace(prompt=prompt))
    clock.pass_seconds(20)

    answer = rehearsal.poll(generation_id)

    assert isinstance(answer, GenerationFailed)
    assert FAILURE_PHRASE in answer.error
    assert not is_content_refusal(answer.error)  # so that it is tried again, as a failure of the provider is


@pytest.mark.parametrize(("why", "said"), [("403", "answered 403"), ("unreachable", "could not be reached")])
def test_an_image_that_cannot_be_read_fails_and_says_why(clock, why, said):
    rehearsal = rehearsal_of(clock, unreadable=why)
    generation_id = accepted(rehearsal)
    clock.pass_seconds(20)

    answer = rehearsal.poll(generation_id)

    assert isinstance(answer, GenerationFailed)
    assert f"the image's presigned address {said}" in answer.error
    assert not is_content_refusal(answer.error)


@pytest.mark.parametrize("change", [{"prompt": ""}, {"duration": 7}, {"aspect_ratio": "4:3"}])
def test_what_the_contract_does_not_allow_is_refused(clock, change):
    assert isinstance(rehearsal_of(clock).prepare(OPTIONS._replace(**change), URL).send(), Refused)


@pytest.mark.parametrize("unknown", ["rehearsal_", "rehearsal_x", "gen_1", "rehearsal_6927ab12_16x9-5-sound", ""])
def test_an_id_that_it_never_gave_is_not_found(clock, unknown):
    assert rehearsal_of(clock).poll(unknown) == PollFault("there is no such rehearsal", 404)


def test_the_presigned_address_is_not_shown(clock):
    assert "X-Amz" not in repr(rehearsal_of(clock).prepare(OPTIONS, URL))


def test_without_a_provider_nothing_is_sent_and_a_poll_fails():
    submission = NoProvider().prepare(OPTIONS, URL)

    assert isinstance(submission.send(), NotSent)
    answer = NoProvider().poll("gen_1")
    assert isinstance(answer, PollFault)
    assert answer.status_code is None  # neither lost nor a refused key: polling goes on until the deadline


class Asked:
    """Stands in for one of both, and keeps what it was asked."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def poll(self, generation_id: str) -> InProgress:
        self.ids.append(generation_id)
        return InProgress("processing")


def test_the_id_alone_decides_who_is_asked_about_a_generation():
    provider, rehearsal = Asked(), Asked()
    both = ProviderByGeneration(provider, rehearsal)

    for generation_id in ("gen_1", "rehearsal_1", "x_rehearsal_2"):
        both.poll(generation_id)

    assert (provider.ids, rehearsal.ids) == (["gen_1", "x_rehearsal_2"], ["rehearsal_1"])


def test_an_id_of_the_provider_never_counts_as_a_rehearsal():
    """Such a generation would be paid and never polled: it is parked instead, with the log as evidence."""
    answer = submit_answer(Reply(200, {}, b'{"id": "rehearsal_1", "status": "created"}'), ())

    assert isinstance(answer, Unknown)
