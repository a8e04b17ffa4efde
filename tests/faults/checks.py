"""What must be true in every schedule: at each write, POST and event, at any time, and at the end."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from dropreel.domain.backoff import NEEDS_OPERATOR, NOTICE_AFTER
from tests.faults.provider import TRAILING, Provider, video_of
from tests.faults.services import Buckets
from tests.faults.state_machine import StateMachine
from tests.support.sample_jobs import PRICE
from tests.support.tables import Tables
from tests.support.validated_events import detail_faults

ENDS = {
    "completed": "Video Generation Completed",
    "failed": "Video Generation Failed",
    "rejected": "Video Generation Rejected",
    "unknown": "Video Generation Unknown",
}
UNDER_WAY = {
    "generating": "Video Generation Submitted",
    "held": "Video Generation Held",
    "deferred": "Video Generation Deferred",
}
PUBLISHED_WITHIN = timedelta(minutes=30)
"""A wait is published after 15 minutes, by a message or by the sweep after it."""
REPORTED = (ENDS["failed"], ENDS["unknown"])


@dataclass(frozen=True)
class Moment:
    """A transition of a job: its new status, attempt and reason, the step that made it, when, and since when it waits."""

    status: str
    attempt: int
    reason: str | None
    step: str
    at: datetime
    since: datetime


def is_duplicate(job: dict[str, Any]) -> bool:
    """Whether a job was rejected because another one has its picture."""
    return (job.get("reason") or {}).get("code") == "duplicate_copy"


def waits(job: dict[str, Any]) -> bool:
    """Whether a job is in the index of what has still to be done. An unknown one stays there for the operator alone."""
    is_parked = job["status"] == "unknown" and not job.get("pending_events")
    return job.get("waiting") != ("unknown" if is_parked else None)


class Checks:
    """Checks a running simulation. A violation inside a step is kept until `always`: the step would treat it as a fault."""

    def __init__(
        self,
        tables: Tables,
        buckets: Buckets,
        provider: Provider,
        state_machine: StateMachine,
        limit: str,
        now: Callable[[], datetime],
    ) -> None:
        self.tables = tables
        self.buckets = buckets
        self.provider = provider
        self.state_machine = state_machine
        self.limit = limit
        self.now = now
        self.history: dict[str, list[Moment]] = {}
        self.events: list[dict[str, Any]] = []
        self.most_reserved: dict[str, int] = {}
        self.wrong: list[str] = []

    def demand(self, holds: bool, otherwise: str) -> None:
        """Keep a violation, which `always` raises."""
        if not holds:
            self.wrong.append(otherwise)

    # --- at each call -------------------------------------------------------------------------------------------------

    def on_write(self, step: str) -> None:
        """Check the jobs after a step has written to the tables."""
        for job in self.tables.jobs():
            past = self.history.setdefault(job["job_id"], [])
            reason = (job.get("reason") or {}).get("code")
            since = datetime.fromisoformat(job["waiting_since"])
            now = Moment(job["status"], int(job["attempt"]), reason, step, self.now(), since)
            before = past[-1] if past else None
            if before is not None and (before.status, before.attempt, before.reason) == (
                now.status,
                now.attempt,
                reason,
            ):
                continue
            past.append(now)
            self._check_transition(job, before, now)

    def _check_transition(self, job: dict[str, Any], before: Moment | None, now: Moment) -> None:
        if before is not None and before.status in ENDS:
            allowed = now.step == "operator" and before.status in ("failed", "unknown")
            allowed |= (before.status, now.status) == ("unknown", "generating")  # its id arrived late
            self.demand(allowed, f"{before.status} became {now.status} in {now.step}")
        if now.status == "completed":
            self._check_delivered(job, "the job says completed")
        if now.reason == "watch_ended" and now.status == "failed":
            name = _execution_name(job)
            there = self.state_machine.executions.get(name)
            self.demand(
                there is not None and bool(there.bad_ends), f"failed as watch_ended while {name} has not ended badly"
            )

    def on_event(self, entry: dict[str, Any]) -> None:
        """Check an event that reaches the bus."""
        detail = json.loads(entry["Detail"])
        event = {"type": entry["DetailType"], **detail}
        says = {kind: status for status, kind in {**ENDS, **UNDER_WAY}.items()}[event["type"]]
        faults = detail_faults(event["type"], detail)
        self.demand(not faults, f"{event['type']} does not follow its schema: {faults}")
        data = event["data"]
        self.demand(data["status"] == says, f"{event['type']} was published with the status {data['status']}")
        made = [one for one in self.provider.submissions if one.image == data["image"]["key"]]
        if says == "generating" or data["generation_id"]:
            known = (data["attempt"], data["generation_id"]) in [(one.attempt, one.generation_id) for one in made]
            self.demand(known, f"{event['type']} has {data['generation_id']} in attempt {data['attempt']}")
        if says in ("held", "deferred"):
            past = self.history.get(data["job_id"], [])
            was = any((_waits_as(one), one.attempt) == (says, data["attempt"]) for one in past)
            self.demand(was, f"{event['type']} has attempt {data['attempt']}, which was not {says}")
        if says == "deferred":
            reasons = {one.reason for one in past if (_waits_as(one), one.attempt) == (says, data["attempt"])}
            self.demand(
                data["reason"]["code"] in reasons, f"it was deferred for {reasons} and published {data['reason']}"
            )
        if says == "completed":
            (job,) = [job for job in self.tables.jobs() if job["job_id"] == data["job_id"]]
            self.demand(job["status"] == "completed", f"Completed was published for a job that is {job['status']}")
            self._check_delivered(data, "Completed was published")
        self.events.append(event)

    def on_post(self, step: str) -> None:
        """Check a POST that reaches the provider."""
        self.demand(step == "submit_generation", f"a POST in {step}: only the queue may lead to one")

    def check_submitted(self, image_url: str) -> str:
        """Check what an address is presigned for: the image, or where it is prepared its prepared copy. Return the image's key."""
        bucket, key = urlsplit(image_url).netloc.partition(".")[0], unquote(urlsplit(image_url).path.lstrip("/"))
        claimed = [job["image"] for job in self.tables.jobs() if key in (job["image"]["key"], f"{job['job_id']}.jpg")]
        image = claimed[0]
        prepared = image.get("prepared")
        expected = (prepared["bucket"], prepared["key"]) if prepared else (image["bucket"], image["key"])
        self.demand((bucket, key) == expected, f"{bucket}/{key} is submitted for {expected}")
        digest = hashlib.sha256(self.buckets.content(bucket, key) or b"").hexdigest()
        said = (prepared or image).get("sha256")  # the claim saves what the validation found
        self.demand(said in (None, digest), f"{bucket}/{key} has other bytes than the job says")
        return str(image["key"])

    def _check_delivered(self, described: dict[str, Any], when: str) -> None:
        """Check that video and receipt of the job's generation are stored. `described` is a job or an event's data."""
        video = described.get("video")
        if not video:
            self.demand(False, f"{when} and names no video")
            return
        content = self.buckets.content(video["bucket"], video["key"])
        right = [video_of(described["generation_id"], take) for take in (1, 2)]
        odd = content in [each + TRAILING for each in right]
        self.demand(odd or content in right, f"{when} and the video is not in the bucket")
        stored = self.buckets.objects.get((video["bucket"], video["key"]))
        version = None if stored is None else stored.version_id
        self.demand(video["version_id"] == version, f"{when} and names another version than {version}")
        self.demand(
            video["sha256"] == hashlib.sha256(content or b"").hexdigest(), f"{when} with another video's digest"
        )
        warned = sum("behind its last box" in warning for warning in described["warnings"])
        self.demand(warned == odd, f"{when} and the video's {len(TRAILING)} odd bytes have {warned} warnings")
        receipt = json.loads(self.buckets.content(video["bucket"], video["receipt_key"]) or b"{}")
        mine = (receipt.get("job_id"), receipt.get("generation_id"))
        self.demand(
            mine == (described["job_id"], described["generation_id"]), f"{when} and its receipt is not in the bucket"
        )
        in_receipt = receipt.get("video", {})
        same = all(in_receipt.get(name) == video[name] for name in ("key", "size", "sha256", "version_id"))
        self.demand(same, f"{when} and its receipt describes another video")

    # --- at any time --------------------------------------------------------------------------------------------------

    def always(self, images: list[str]) -> None:
        """Assert at most one paid POST an attempt, no reservation past the cap, and no violation inside a step."""
        assert not self.wrong, "; ".join(self.wrong)
        paid = Counter((one.image, one.attempt) for one in self.provider.submissions if one.paid)
        for (image, attempt), times in paid.items():
            assert times <= 1, f"{image} was paid for more than once in attempt {attempt}"
        claims = self.tables.rows("attempt")
        assert len(self.provider.submissions) <= len(claims), "a POST has no row of its own"
        self.reserved()
        if self.limit != "unlimited":
            cap = round(float(self.limit) * 100)
            assert all(cents <= cap for cents in self.most_reserved.values()), f"past the cap: {self.most_reserved}"

    def reserved(self) -> int:
        """Return what is reserved on all days, in US cents."""
        days = self.tables.days()
        for day in days:
            self.most_reserved[day["day"]] = max(self.most_reserved.get(day["day"], 0), int(day["reserved_cents"]))
        return sum(int(day["reserved_cents"]) for day in days)

    # --- at the end ---------------------------------------------------------------------------------------------------

    def at_the_end(self, images: list[str]) -> None:
        """Assert that every image has its published outcome, every cent is accounted for and no paid video is lost."""
        everything = self.tables.jobs()
        duplicates = [job for job in everything if is_duplicate(job)]
        jobs = {job["image"]["key"]: job for job in everything if job not in duplicates}
        assert sorted(jobs) == sorted(images), "an image has no job"
        assert len(jobs) + len(duplicates) == len(everything), "a picture and its copy were two jobs"
        left = [(job["status"], waits(job), job.get("pending_events")) for job in everything]
        assert all(status in ENDS and not waiting and not owed for status, waiting, owed in left), f"not ended: {left}"
        self.always(images)
        for job in duplicates:
            self._check_ends(job)
            assert job["status"] == "rejected", f"a duplicate is {job['status']}"
            assert not job.get("lease_until"), "a duplicate was claimed"
        for image, job in jobs.items():
            self._check_ends(job)
            self._check_deferred_events(job)
            assert not (self.provider.paid(image) and job["status"] == "rejected"), f"{image}: paid and rejected"
            if job["status"] == "completed":
                self._check_delivered(job, "at the end the job is completed")
            self._check_nothing_lost(image, job)
        self.always(images)
        billed = PRICE * sum(one.paid for one in self.provider.submissions)
        unknown = PRICE * sum(len(self._unpaid_unknown(job)) for job in jobs.values())
        assert self.reserved() == billed + unknown, "the spend table is not what the provider would bill"

    def published_ends(self, job_id: str) -> list[str]:
        """Return the types of a job's published final events, each `metadata.id` once, in their order."""
        mine = [event for event in self.events if event["data"]["job_id"] == job_id]
        first = {(event["type"], event["metadata"]["id"]): None for event in mine if event["type"] in ENDS.values()}
        return [kind for kind, _id in first]

    def _check_ends(self, job: dict[str, Any]) -> None:
        """Assert that a job's final events are its final statuses: each once, in order."""
        published = self.published_ends(job["job_id"])
        happened = [ENDS[one.status] for one in self.history[job["job_id"]] if one.status in ENDS]
        assert published == happened, f"{job['status']} was published as {published} and was {happened}"
        past = self.history[job["job_id"]]
        decisions = sum(one.step == "operator" for one in past)
        decisions += sum(
            (a.status, b.status) == ("unknown", "generating") for a, b in pairwise(past)
        )  # its id arrived late
        assert decisions or len(published) == 1, f"without any decision it ended as {published}"
        assert Counter(published)[ENDS["completed"]] <= 1, f"completed was published as {published}"

    def _check_deferred_events(self, job: dict[str, Any]) -> None:
        """Assert one Deferred event for each attempt that waited for the operator or for long, and none for the others."""
        past = self.history[job["job_id"]]
        for attempt in {one.attempt for one in past}:
            waits = [
                (one, after.at if after else one.at)
                for one, after in zip(past, [*past[1:], None], strict=True)
                if (_waits_as(one), one.attempt) == ("deferred", attempt) and one.reason is not None
            ]
            published = {
                event["metadata"]["id"]
                for event in self.events
                if (event["type"], event["data"]["job_id"], event["data"]["attempt"])
                == (UNDER_WAY["deferred"], job["job_id"], attempt)
            }
            must = any(
                one.reason in NEEDS_OPERATOR
                or until - one.at > PUBLISHED_WITHIN
                or (one.step == "submit_generation" and one.at - one.since >= NOTICE_AFTER)
                for one, until in waits
            )
            assert len(published) <= 1, f"attempt {attempt} has {len(published)} Deferred events"
            assert published or not must, f"attempt {attempt} waits without a Deferred event: {waits}"
            assert waits or not published, f"attempt {attempt} has a Deferred event and never waited"

    def _check_nothing_lost(self, image: str, job: dict[str, Any]) -> None:
        """Assert that a paid generation with a video is delivered, or its attempt was reported."""
        reported = {
            event["data"]["attempt"]
            for event in self.events
            if event["data"]["job_id"] == job["job_id"] and event["type"] in REPORTED
        }
        for one in self.provider.submissions:
            if one.image == image and one.paid and not one.fails:
                delivered = job["status"] == "completed" and job["generation_id"] == one.generation_id
                assert delivered or one.attempt in reported, f"{one.generation_id} is neither delivered nor reported"

    def _unpaid_unknown(self, job: dict[str, Any]) -> set[int]:
        """Return the unknown attempts that were not paid: their reservations stay."""
        unknown = {
            one.attempt
            for one in self.history[job["job_id"]]
            if one.status == "unknown" and one.reason == "submission_unknown"
        }
        mine = [one for one in self.provider.submissions if one.image == job["image"]["key"]]
        return unknown - {one.attempt for one in mine if one.paid}


def _waits_as(moment: Moment) -> str:
    """Return a moment's status, as events have it: an image that is prepared has no event of its own."""
    return "deferred" if moment.status == "preparing" else moment.status


def _execution_name(job: dict[str, Any]) -> str:
    resumes = int(job.get("resumes") or 0)
    return f"{job['job_id']}-{job['attempt']}" + (f"-{resumes}" if resumes else "")
