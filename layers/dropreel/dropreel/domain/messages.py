"""What reaches the functions from outside, decoded."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropreel.domain.encodable import encodable, is_encodable
from dropreel.domain.errors import VIDEO_WITHOUT_MEDIA
from dropreel.domain.job import ImageRef, Job, JobStatus, execution_name, is_image_key
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.domain.redaction import holds_signed_address

EXECUTION_ENDED = "Step Functions Execution Status Change"
"""The `detail-type` of what Step Functions says of an execution."""
REQUESTED = "Video Generation Requested"
"""The `detail-type` of the event that asks for a video of an image that is already there."""
MAX_BUCKET_CHARACTERS = 63
MAX_KEY_BYTES = 1024
"""S3's limits on a bucket's name and on a key, the latter counted in UTF-8."""
MAX_VERSION_CHARACTERS = 1024
"""S3's limit on a version id."""
MAX_REQUEST_ID_CHARACTERS = 256
"""A limit of ours: a request's id stands in the job, its events and its receipt."""
MAX_FAULTS = 20
MAX_FAULT_CHARACTERS = 500
"""What is told of a refusal, so that it fits into an event (256 KB) and into an item of the job table (400 KB)."""


@dataclass(frozen=True)
class Drop:
    """One wish for a video: an upload, or a request event about an image that is already there.

    `size` is in bytes where the event says it. `options` are a request's own; `faults` say what is wrong with the event
    itself, as sentences. `is_copy`: S3 says that the object was written by a copy (`CopyObject`).
    """

    image: ImageRef
    size: int | None = None
    request_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    is_copy: bool = False

    @property
    def is_about_an_image(self) -> bool:
        """Whether a job comes of it: sidecars, folder markers and the litter of desktops are uploaded, too."""
        return self.request_id is not None or is_image_key(self.image.key, self.size)


@dataclass(frozen=True)
class RetryMessage:
    """Our own message: a job whose attempt comes again, the `requeues`-th time.

    `generation_id` is the id of a submission that was accepted and could not be written to the job table.
    """

    job_id: str
    attempt: int
    requeues: int
    generation_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the message's body."""
        body = {"job_id": self.job_id, "attempt": self.attempt, "requeues": self.requeues}
        return body if self.generation_id is None else {**body, "generation_id": self.generation_id}


def message_of(body: Mapping[str, Any]) -> "Drop | RetryMessage":
    """Decode one message of the queue. Raises KeyError for anything that is neither an event nor our own."""
    if "detail-type" in body:
        return drop_of(body)
    return RetryMessage(body["job_id"], int(body["attempt"]), int(body["requeues"]), body.get("generation_id"))


def is_overtaken(message: "Drop | RetryMessage", job: Job) -> bool:
    """Tell whether a later message of the job is on its way, or has been. An event's is the first of the first attempt."""
    mine = (1, 0) if isinstance(message, Drop) else (message.attempt, message.requeues)
    return mine != (job.attempt, job.requeues)


def drop_of(event: Mapping[str, Any]) -> Drop:
    """Decode an event as EventBridge delivers it: S3's `Object Created`, or `Video Generation Requested`.

    Raises KeyError for anything else.
    """
    return _requested(event) if event["detail-type"] == REQUESTED else _uploaded(event)


def pinned_version(version_id: str | None) -> str | None:
    """Return the id of one version for ever. None for `null`: where versioning is off or suspended, every upload has it."""
    return None if version_id == "null" else version_id


def truncate_messages(faults: Sequence[str]) -> tuple[str, ...]:
    """Return at most `MAX_FAULTS` sentences, each cut to `MAX_FAULT_CHARACTERS`, and how many more there are."""
    told = [
        fault if len(fault) <= MAX_FAULT_CHARACTERS else fault[: MAX_FAULT_CHARACTERS - 1] + "…"
        for fault in faults[:MAX_FAULTS]
    ]
    more = len(faults) - len(told)
    return (*told, f"and {more:,} more.") if more else tuple(told)


def _uploaded(event: Mapping[str, Any]) -> Drop:
    # The key is not URL-encoded here, so it is taken as it is; `version-id` is absent for an unversioned bucket.
    detail = event["detail"]
    thing = detail["object"]
    faults: list[str] = []

    def named(name: str, value: Any) -> Any:
        if not isinstance(value, str) or is_encodable(value):
            return value
        faults.append(f"The event's {name} is not valid Unicode: it holds half a surrogate pair, as no name in S3 can.")
        return encodable(value)

    image = ImageRef(
        bucket=named("bucket", detail["bucket"]["name"]),
        key=named("key", thing["key"]),
        version_id=pinned_version(named("version-id", thing.get("version-id"))),
        etag=named("etag", thing.get("etag")),
        sequencer=named("sequencer", thing.get("sequencer")),
    )
    # A large copy is written in parts, and S3 gives it the same reason as a large upload: CompleteMultipartUpload.
    return Drop(image, thing.get("size"), faults=tuple(faults), is_copy=detail.get("reason") == "CopyObject")


def _requested(event: Mapping[str, Any]) -> Drop:
    """Decode a request; whoever sent it may have written anything. Without a `request_id` the event's own id stands for it."""
    detail = event["detail"] if isinstance(event["detail"], Mapping) else {}
    faults: list[str] = []

    def named(holder: Mapping[str, Any], name: str, where: str, kind: type, *, needed: bool = False) -> Any:
        value = holder.get(name)
        if value is None and not needed:
            return None
        if not isinstance(value, kind) or not value:
            what = "an object" if kind is dict else "text"
            faults.append(f"{where} must be {what} and is {json.dumps(value)[:60]}.")
            return None
        if isinstance(value, str) and where in _FORMS and not _FORMS[where][0](value):
            faults.append(f"{where} must be {_FORMS[where][1]} and is {json.dumps(value)[:60]}.")
            return None
        # It would stand in the table, the events and the receipt.
        if isinstance(value, str) and holds_signed_address(value):
            faults.append(f"{where} holds a signed address, which is a secret; name the image by its bucket and key.")
            return None
        return value

    faults += [
        f"There is no {name[:60]!r} in a request; allowed are image, options and request_id."
        for name in detail
        if name not in ("image", "options", "request_id")
    ]
    image = named(detail, "image", "image", dict, needed=True) or {}
    faults += [
        f"There is no {name[:60]!r} in image; allowed are bucket, key and version_id."
        for name in image
        if name not in ("bucket", "key", "version_id")
    ]
    bucket = named(image, "bucket", "image.bucket", str, needed=True)
    key = named(image, "key", "image.key", str, needed=True)
    version_id = named(image, "version_id", "image.version_id", str)
    options = named(detail, "options", "options", dict) if detail.get("options") != {} else {}
    request_id = named(detail, "request_id", "request_id", str)
    return Drop(
        image=ImageRef(bucket or "", key or "", pinned_version(version_id)),
        request_id=request_id or encodable(str(event["id"])),
        options=options or {},
        faults=truncate_messages(faults),
    )


def _is_bucket(text: str) -> bool:
    return len(text) <= MAX_BUCKET_CHARACTERS and text.isascii() and text.isprintable()


def _is_key(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:  # JSON can spell half a surrogate pair, which no request to S3 can carry
        return False


def _is_request_id(text: str) -> bool:
    return len(text) <= MAX_REQUEST_ID_CHARACTERS and text.isprintable()


def _is_version(text: str) -> bool:
    return len(text) <= MAX_VERSION_CHARACTERS and text.isascii() and text.isprintable()


_FORMS: dict[str, tuple[Callable[[str], bool], str]] = {
    # what a request names, so that asking S3 for it, storing it and telling of it cannot fail
    "image.bucket": (_is_bucket, f"at most {MAX_BUCKET_CHARACTERS} printable ASCII characters"),
    "image.key": (_is_key, f"at most {MAX_KEY_BYTES:,} bytes of UTF-8 text"),
    "image.version_id": (_is_version, f"at most {MAX_VERSION_CHARACTERS:,} printable ASCII characters"),
    "request_id": (_is_request_id, f"at most {MAX_REQUEST_ID_CHARACTERS} printable characters"),
}


@dataclass(frozen=True)
class Generation:
    """What the state machine carries: ids only, and the name of the execution that carries them."""

    job_id: str
    attempt: int
    generation_id: str
    execution: str

    def is_current(self, job: Job) -> bool:
        """Tell whether the job still waits for this execution.

        An execution that another has followed (a resume, an attempt) can be redriven, and must then find nothing to do.
        """
        return job.status is JobStatus.GENERATING and self.execution == execution_name(job)

    def is_lost_by(self, job: Job) -> bool:
        """Tell whether the job lacks this generation's id: it was accepted, and the job table could not be written."""
        is_open = job.status in (JobStatus.SUBMITTING, JobStatus.UNKNOWN) and job.generation_id is None
        return is_open and self.execution == execution_name(job) and bool(self.generation_id)


@dataclass(frozen=True)
class EndedExecution:
    """An execution of the state machine that ended by itself or by hand before its job did, as EventBridge tells it.

    `name` and `arn` are the execution's; `status` is `FAILED`, `TIMED_OUT` or `ABORTED`; `cause` is what Step Functions says of it.
    """

    job_id: str
    name: str
    arn: str
    status: str
    cause: str


def ended_execution_of(event: Mapping[str, Any]) -> EndedExecution | None:
    """Decode `Step Functions Execution Status Change`. None: an execution that we did not name. Raises KeyError for anything else."""
    detail = event["detail"]
    found = _EXECUTION_NAME.fullmatch(detail["name"])
    if found is None:
        return None
    cause = encodable(str(detail.get("cause") or ""))[:MAX_FAULT_CHARACTERS]
    return EndedExecution(found[1], detail["name"], detail["executionArn"], encodable(str(detail["status"])), cause)


_EXECUTION_NAME = re.compile(r"([0-9a-f]{24})-[0-9]+(-[0-9]+)?")


def generation_of(state: Mapping[str, Any]) -> Generation:
    """Decode the state machine's state. Raises KeyError where an id is missing."""
    return Generation(state["job_id"], int(state["attempt"]), state["generation_id"], state["pace"]["execution"])


def reason_of(state: Mapping[str, Any]) -> Reason:
    """Say why the state machine came to Report Failure: the check's own reason, or the step that kept failing."""
    check = state.get("check") or {}
    if "reason" in check and "error" not in state:
        return Reason.from_json(check["reason"])
    cause = str((state.get("error") or {}).get("Cause") or "no cause was given")
    try:
        told = json.loads(cause)
        cause = f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        pass
    cause = encodable(cause)
    if check.get("outcome") == "completed":
        _step, coded, fault = cause.partition(f"{VIDEO_WITHOUT_MEDIA}: ")
        if coded:
            return Reason(
                ReasonCode.VIDEO_WITHOUT_MEDIA,
                f"What the provider sends as the finished video cannot be played: {fault[:500]}.",
            )
        return Reason(
            ReasonCode.DELIVERY_FAILED, f"The video is ready at the provider and could not be copied: {cause[:500]}"
        )
    return Reason(ReasonCode.CHECK_FAILED, f"The generation could not be watched any longer: {cause[:500]}")
