from dataclasses import dataclass, field
from typing import Any

import pytest

from dropreel.domain.events import detail_of
from dropreel.domain.job import EventType
from dropreel.use_cases.send_mail import SendMail
from tests.support.sample_jobs import job_with


@dataclass
class Topic:
    """Keeps what is published, and refuses subjects that contain `refuses`."""

    refuses: str = "nothing"
    published: list[tuple[str, str]] = field(default_factory=list)

    def publish(self, subject: str, text: str) -> None:
        if self.refuses in subject:
            raise RuntimeError("throttled")
        self.published.append((subject, text))


def event_of(kind: EventType, number: int = 0) -> dict[str, Any]:
    return {"detail-type": kind.value, "detail": detail_of(job_with(job_id=f"{number:024x}"), kind, "shop")}


def test_the_events_of_one_meaning_are_one_mail():
    topic = Topic()

    failed = SendMail(topic).run({f"m{number}": event_of(EventType.HELD, number) for number in range(3)})

    assert failed == []
    assert [subject for subject, _ in topic.published] == ["Dropreel shop: 3 images are held"]


def test_only_the_messages_of_a_mail_that_failed_come_again():
    topic = Topic(refuses="held")
    events = {
        "m1": event_of(EventType.HELD, 1),
        "m2": event_of(EventType.UNKNOWN, 2),
        "m3": event_of(EventType.HELD, 3),
    }

    failed = SendMail(topic).run(events)

    assert failed == ["m1", "m3"]
    assert [subject for subject, _ in topic.published] == ["Dropreel shop: unknown whether beach.jpg was charged"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"detail-type": "Video Generation Held"},
        {"detail-type": "Video Generation Held", "detail": None},
        {"detail-type": "Something Else", "detail": event_of(EventType.HELD)["detail"]},
        {"detail-type": "Video Generation Held", "detail": {"metadata": {}, "data": {"image": {"key": 5}}}},
        ["no object"],
    ],
)
def test_a_message_that_is_not_ours_keeps_no_other_from_being_sent(wrong: Any):
    topic = Topic()

    failed = SendMail(topic).run({"m1": wrong, "m2": event_of(EventType.HELD)})

    assert failed == ["m1"]
    assert len(topic.published) == 1
