import hashlib
import json
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dropreel.adapters.image_bucket import Missing
from dropreel.domain.events import EventType, detail_of
from dropreel.domain.job import Charge, Image, ImageRef, Job, JobStatus, job_id_of, receive, reject
from dropreel.domain.messages import Drop
from dropreel.domain.next_steps import next_step
from dropreel.domain.option_files import MAX_FILE_BYTES
from dropreel.domain.options import OPTION_NAMES, Options
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.reader import MAX_IMAGE_BYTES
from dropreel.use_cases.validate_image import ImageValidator, ValidatedImage
from tests.support.fakes import Clock, FakeImageBucket, FakeStoredImage
from tests.support.pictures import encoded, jpeg, picture

STACK = {
    "prompt": "from the stack",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "auto",
    "duration": "5",
    "cfg_scale": "0.5",
    "sound": "true",
}
KEY = "trips/holiday/beach.jpg"
SIDECAR = "trips/holiday/beach.jpg.json"
NEAR = "trips/holiday/dropreel.json"
MIDDLE = "trips/dropreel.json"
ROOT = "dropreel.json"
DROP = Drop(ImageRef("uploads", KEY, "v1", "e1", "s1"), size=len(jpeg()))
REQUEST = replace(DROP, request_id="r1")
MAX_EVENT_BYTES = 256_000
"""AWS's limit on one event is 256 KB, and on one item of the job table 400 KB."""


@dataclass
class Desk:
    """A validator, and what lies in the bucket in front of it."""

    journal: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    stack: dict[str, str] = field(default_factory=lambda: dict(STACK))

    def __post_init__(self) -> None:
        self.image = FakeStoredImage(self.journal, content=jpeg(), key=KEY)
        self.images = FakeImageBucket(self.journal, stored=self.image)

    def lay(self, key: str, options: Any) -> None:
        """Put a file with these options into the bucket."""
        self.images.files[key] = json.dumps(options).encode()

    def received(self, drop: Drop) -> Job:
        """The drop's job before anything is known of its image."""
        ref = drop.image
        image = Image(ref.bucket, ref.key, ref.version_id, ref.etag, drop.size)
        return receive(job_id_of(ref, drop.request_id), image, self.clock(), request_id=drop.request_id)

    def validate(self, drop: Drop = DROP) -> ValidatedImage:
        validator = ImageValidator(self.images, frozenset({"uploads", "pictures"}), self.stack)
        return validator.validate(drop, self.received(drop))

    def accepted(self, drop: Drop = DROP) -> Job:
        validated = self.validate(drop)
        assert validated.reason is None
        return validated.job

    def rejected(self, drop: Drop = DROP) -> Job:
        """The job as it ends by the reason that was found."""
        validated = self.validate(drop)
        assert validated.reason is not None
        return reject(validated.job, validated.reason, self.clock())

    def refused(self, drop: Drop = DROP) -> tuple[str, tuple[str, ...]]:
        """The code and the messages of a refusal."""
        reason = self.validate(drop).reason
        assert reason is not None
        return reason.code, tuple(reason.as_json()["messages"])


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- where options come from -----------------------------------------------------------------------------------------

PLACES = ("request", "S3 metadata", SIDECAR, NEAR, MIDDLE, ROOT, "stack parameters")


def say_everywhere_from(desk: Desk, first: int) -> Drop:
    """Let this place and every less specific one ask for a prompt that names it."""
    asked = PLACES[first:]
    for key in (SIDECAR, NEAR, MIDDLE, ROOT):
        if key in asked:
            desk.lay(key, {"prompt": key})
    if "S3 metadata" in asked:
        desk.image.metadata = {"prompt": "S3 metadata"}
    desk.stack["prompt"] = "stack parameters"
    return replace(REQUEST, options={"prompt": "request"} if "request" in asked else {})


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_an_option_is_taken_from_the_most_specific_place_that_has_it(desk: Desk, first):
    drop = say_everywhere_from(desk, first)

    job = desk.accepted(drop)

    assert (job.options.prompt, job.option_sources["prompt"]) == (PLACES[first], PLACES[first])


def test_each_option_is_taken_by_itself_and_its_source_recorded(desk: Desk):
    desk.image.metadata = {"mode": "hq"}
    desk.lay(SIDECAR, {"duration": 10})
    desk.lay(NEAR, {"sound": False})
    desk.lay(MIDDLE, {"cfg_scale": 0.25})
    desk.lay(ROOT, {"negative_prompt": "blur"})

    job = desk.accepted(replace(REQUEST, options={"prompt": "waves"}))

    assert job.options == Options(
        prompt="waves",
        mode="hq",
        negative_prompt="blur",
        aspect_ratio="16:9",
        duration=10,
        cfg_scale=0.25,
        sound=False,
    )
    assert job.option_sources == {
        "prompt": "request",
        "mode": "S3 metadata",
        "duration": SIDECAR,
        "sound": NEAR,
        "cfg_scale": MIDDLE,
        "negative_prompt": ROOT,
        "aspect_ratio": "stack parameters",
    }


def test_folders_are_merged_and_the_nearer_one_wins(desk: Desk):
    desk.lay(ROOT, {"mode": "hq", "duration": 10, "prompt": "root"})
    desk.lay(MIDDLE, {"duration": 5, "prompt": "middle"})
    desk.lay(NEAR, {"prompt": "near"})

    options = desk.accepted().options

    assert (options.mode, options.duration, options.prompt) == ("hq", 5, "near")


def test_a_bare_drop_takes_everything_from_the_stack(desk: Desk):
    assert desk.accepted().option_sources == dict.fromkeys(OPTION_NAMES, "stack parameters")


def test_files_are_looked_for_in_the_images_bucket_and_folders_only(desk: Desk):
    desk.accepted()

    stems = [key.removesuffix("json") for key in (ROOT, MIDDLE, NEAR, SIDECAR)]
    assert desk.images.listed == [f"uploads/{stem}" for stem in stems]
    assert "read_file" not in desk.journal


def test_files_of_an_image_that_came_from_a_mac_are_found_as_others_write_them(desk: Desk):
    mac, other = (unicodedata.normalize(form, "Café/Grüße.jpg") for form in ("NFD", "NFC"))
    desk.image.key = mac
    desk.lay(f"{other}.JSON", {"prompt": "waves"})
    desk.lay(f"{other.partition('/')[0]}/dropreel.json", {"mode": "hq"})

    job = desk.accepted(replace(DROP, image=ImageRef("uploads", mac, "v1")))

    assert (job.options.prompt, job.option_sources["prompt"]) == ("waves", f"{other}.JSON")
    assert job.options.mode == "hq"


def test_a_neighbouring_folders_file_holds_for_others(desk: Desk):
    desk.lay("trips/city/dropreel.json", {"mode": "hq"})
    desk.lay("trips/holiday/other.jpg.json", {"mode": "hq"})

    assert desk.accepted().options.mode == "fast"


@pytest.mark.parametrize("name", ["negative-prompt", "negative_prompt", "Negative-Prompt", "NEGATIVE_PROMPT"])
def test_metadata_is_known_with_hyphens_underscores_and_in_any_case(desk: Desk, name):
    desk.image.metadata = {name: "blur"}

    job = desk.accepted()

    assert (job.options.negative_prompt, job.option_sources["negative_prompt"]) == ("blur", "S3 metadata")


def test_metadata_that_names_an_option_twice_must_not_disagree(desk: Desk):
    desk.image.metadata = {"aspect-ratio": "1:1", "aspect_ratio": "16:9", "cfg-scale": "0.2", "cfg_scale": "0.2"}

    code, messages = desk.refused()

    assert code == "options_invalid"
    assert messages == ("S3 metadata: aspect_ratio is there twice, as '1:1' and as '16:9'; give it once.",)


def test_metadata_is_text_and_read_as_such(desk: Desk):
    desk.image.metadata = {"duration": "10", "cfg-scale": "0.75", "sound": "False"}

    options = desk.accepted().options

    assert (options.duration, options.cfg_scale, options.sound) == (10, 0.75, False)


def test_metadata_that_is_no_option_is_somebody_elses(desk: Desk):
    desk.image.metadata = {"camera": "x100", "promt": "waves", "image-url": "https://example.org"}

    assert desk.accepted().options.prompt == "from the stack"


@pytest.mark.parametrize("mode", ["33188", "16877", "100644", "0644", "644"])
def test_a_files_permissions_that_s3fs_or_rclone_keep_as_mode_are_somebody_elses(desk: Desk, mode):
    desk.image.metadata = {"mode": mode, "uid": "1000", "gid": "1000", "mtime": "1762905600"}

    assert desk.accepted().options.mode == "fast"


@pytest.mark.parametrize("mode", ["1", "hq1", "slow", "", "-644"])
def test_any_other_mode_in_metadata_is_refused(desk: Desk, mode):
    desk.image.metadata = {"mode": mode}

    assert desk.refused()[0] == "options_invalid"


# --- what is wrong with options --------------------------------------------------------------------------------------


def say_in(desk: Desk, place: str, options: dict[str, Any]) -> Drop:
    if place == "request":
        return replace(REQUEST, options=options)
    desk.lay(place, options)
    return DROP


@pytest.mark.parametrize("place", ["request", SIDECAR, NEAR, MIDDLE, ROOT])
def test_an_unknown_name_is_refused_with_what_was_perhaps_meant(desk: Desk, place):
    drop = say_in(desk, place, {"promt": "waves"})

    code, (message,) = desk.refused(drop)

    assert code == "options_invalid"
    assert message.startswith(f"{place}: there is no option 'promt' (did you mean prompt?); allowed are prompt, mode,")


@pytest.mark.parametrize("place", ["request", SIDECAR, NEAR, MIDDLE, ROOT])
def test_a_wrong_value_is_refused_with_its_place_its_value_and_what_is_allowed(desk: Desk, place):
    drop = say_in(desk, place, {"mode": "slow"})

    code, (message,) = desk.refused(drop)

    assert code == "options_invalid"
    assert message == f"{place}: mode is 'slow'; allowed are fast, hq."


@pytest.mark.parametrize(("mode", "end"), [("HQ", "did you mean hq?"), ("slow", "allowed are fast, hq.")])
def test_a_message_ends_in_one_sign(desk: Desk, mode, end):
    desk.lay(SIDECAR, {"mode": mode})

    _code, (message,) = desk.refused()

    assert message.endswith(f" {end}")


def test_a_wrong_value_is_refused_even_where_a_more_specific_place_overrides_it(desk: Desk):
    desk.lay(ROOT, {"duration": 7})

    _code, (message,) = desk.refused(replace(REQUEST, options={"duration": 5}))

    assert message.startswith(f"{ROOT}: duration is 7")


@pytest.mark.parametrize("place", [SIDECAR, NEAR, MIDDLE, ROOT])
@pytest.mark.parametrize("content", [b"", b"mode: hq", b"[]", b"\xff", b'{"mode": NaN}', bytes(MAX_FILE_BYTES + 1)])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(desk: Desk, place, content):
    desk.images.files[place] = content

    code, (message,) = desk.refused()

    assert code == "options_invalid"
    assert message.startswith(f"{place}: it ")


@pytest.mark.parametrize(
    ("missing", "what"),
    [
        (Missing.ARCHIVED, "it is archived (S3 Glacier or an archive tier); restore it, or upload it again"),
        (Missing.ENCRYPTED, "it is encrypted with a key of your own (SSE-C); upload it without that key"),
        (Missing.KMS_KEY, "S3 cannot decrypt it: its KMS key is disabled, being deleted, or gone"),
    ],
)
def test_a_file_that_s3_does_not_give_is_refused_for_what_is_so(desk: Desk, missing, what):
    desk.images.files[ROOT] = missing

    assert desk.refused() == ("options_invalid", (f"{ROOT}: {what}.",))


def test_a_file_that_was_deleted_since_it_was_listed_is_none(desk: Desk):
    desk.images.files[ROOT] = Missing.GONE

    assert desk.accepted().options.prompt == "from the stack"


def test_every_fault_of_every_place_and_of_the_image_is_told_at_once(desk: Desk):
    desk.image.content = b"GIF89a"
    desk.image.metadata = {"mode": "slow"}
    desk.lay(SIDECAR, {"sound": "yes", "promt": "waves"})
    desk.images.files[NEAR] = b"not json"
    desk.lay(MIDDLE, ["mode"])
    desk.lay(ROOT, {"duration": 7})

    code, messages = desk.refused(replace(REQUEST, options={"cfg_scale": 3}))

    assert code == "image_format"
    assert "GIF" in messages[0]
    assert sorted(message.split(": ")[0] for message in messages[1:]) == sorted(
        ["request", "S3 metadata", SIDECAR, SIDECAR, NEAR, MIDDLE, ROOT]
    )


def test_the_message_is_all_messages_together(desk: Desk):
    desk.lay(SIDECAR, {"mode": "slow", "duration": 7})

    reason = desk.validate().reason

    assert reason is not None
    assert len(reason.messages) == 2
    assert reason.message == " ".join(reason.messages)


def test_options_are_validated_though_the_image_is_good_and_the_image_is_described(desk: Desk):
    desk.lay(SIDECAR, {"mode": "slow"})

    job = desk.validate().job

    assert (job.image.format, job.image.width, job.image.height) == ("JPEG", 60, 40)


@pytest.mark.parametrize("place", ["request", SIDECAR])
def test_a_refusal_with_thousands_of_faults_still_fits_into_an_event(desk: Desk, place):
    drop = say_in(desk, place, {f"o{number}": 0 for number in range(5000)})

    job = desk.rejected(drop)

    assert len(json.dumps(detail_of(job, EventType.REJECTED)).encode()) < MAX_EVENT_BYTES


# --- what is wrong with the image ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "image_empty"),
        (b"notes", "image_format"),
        (jpeg()[:-9], "image_truncated"),
        (bytes(MAX_IMAGE_BYTES + 1), "image_too_large"),
    ],
)
def test_an_unusable_image_is_refused_for_what_it_is(desk: Desk, content, code):
    desk.image.content = content

    found, (message,) = desk.refused()

    assert found == code
    assert message.startswith("The ")


@pytest.mark.parametrize("key", ["beach.png", "beach.txt", "beach"])
def test_a_name_says_nothing_about_what_an_image_is(desk: Desk, key):
    desk.image.key = key

    assert desk.accepted(replace(DROP, image=ImageRef("uploads", key, "v1"))).image.format == "JPEG"


@pytest.mark.parametrize(
    ("missing", "code", "step"),
    [
        (Missing.GONE, "image_missing", "Upload the image again; nothing was spent on this attempt."),
        (Missing.SUPERSEDED, "image_superseded", "Nothing: the newer upload has a job of its own."),
        (
            Missing.ARCHIVED,
            "image_archived",
            "Restore the object first, then upload the image again, or request its video by an event; nothing was spent.",
        ),
        (
            Missing.ENCRYPTED,
            "image_encrypted",
            "Upload the image again without a key of your own (SSE-S3 and SSE-KMS are fine); nothing was spent.",
        ),
        (
            Missing.KMS_KEY,
            "image_kms_key",
            "Enable the KMS key, then upload the image again, or request its video by an event; nothing was spent.",
        ),
    ],
)
def test_an_image_that_cannot_be_had_is_refused_for_what_is_so(desk: Desk, missing, code, step):
    desk.images.stored = missing

    job = desk.rejected()

    assert job.reason is not None
    assert (job.status, job.reason.code, next_step(job)) == (JobStatus.REJECTED, code, step)
    assert job.image.sha256 is None


def test_nobody_is_told_to_restore_what_is_too_large_anyway(desk: Desk):
    desk.images.stored = Missing.ARCHIVED

    code, _messages = desk.refused(replace(DROP, size=MAX_IMAGE_BYTES + 1))

    assert code == "image_too_large"


def test_an_image_of_over_ten_million_bytes_is_refused_by_its_size_unread(desk: Desk):
    desk.image.content = None
    desk.lay(SIDECAR, {"mode": "slow"})

    code, messages = desk.refused()

    assert code == "image_too_large"
    assert "10,000,001" in messages[0]
    assert "mode" in messages[1]
    assert desk.validate().job.image == Image("uploads", KEY, "v1", '"e1"', 10_000_001)


@pytest.mark.parametrize("key", ["./photo.jpg", "a/../b.jpg", "a/./b.jpg", "../a.jpg", "a/..", "a/.", "..", "/./a.jpg"])
def test_a_key_that_no_client_sends_as_it_was_signed_is_refused_without_a_look_at_s3(desk: Desk, key):
    job = desk.rejected(Drop(ImageRef("uploads", key, "v1"), size=9))

    assert job.reason == Reason(
        ReasonCode.IMAGE_KEY,
        f"The key {key!r} has a . or .. between its slashes. HTTP clients take that out of an address, so the provider "
        "could not fetch the image.",
    )
    assert next_step(job) == "Upload the image again under a key without . or .. as a folder; nothing was spent."
    assert desk.journal == []


@pytest.mark.parametrize(
    "key",
    [
        ".hidden.jpg",
        "...",
        "a/.../b.jpg",
        "a..b/c.jpg",
        "a//b.jpg",
        "/a.jpg",
        "a/",
        "%2e%2e/b.jpg",
        "a\\..\\b.jpg",
        ". /a",
    ],
)
def test_a_key_with_dots_that_are_part_of_a_name_is_taken(desk: Desk, key):
    desk.accepted(Drop(ImageRef("uploads", key, "v1")))


def test_a_bucket_that_is_not_ours_is_refused_without_a_look_into_it(desk: Desk):
    code, (message,) = desk.refused(Drop(ImageRef("secrets", KEY), request_id="r1"))

    assert code == "bucket_not_allowed"
    assert message == "Images are taken from pictures, uploads, not from secrets."
    assert desk.journal == []


@pytest.mark.parametrize("length", [1019, 1020, 1024])
@pytest.mark.parametrize("key", ["a", "a/"])
def test_no_file_is_looked_for_under_a_key_that_s3_would_not_take(desk: Desk, key, length):
    desk.image.key = (key * length)[: length - 1] + "b"

    desk.accepted(replace(DROP, image=ImageRef("uploads", desk.image.key, "v1")))

    assert max(len(f"{name.removeprefix('uploads/')}json".encode()) for name in desk.images.listed) <= 1024


# --- what is wrong with a request ------------------------------------------------------------------------------------


def test_a_faulty_request_is_refused_with_each_of_its_faults_and_without_a_look_at_s3(desk: Desk):
    code, messages = desk.refused(replace(REQUEST, faults=("image.key must be text.", "There is no 'x'.")))

    assert code == "request_invalid"
    assert messages == ("image.key must be text.", "There is no 'x'.")
    assert desk.journal == []


def test_a_faulty_request_leaves_its_job_as_it_was_received(desk: Desk):
    drop = replace(REQUEST, faults=("image.key must be text.",))

    assert desk.validate(drop).job == desk.received(drop)


# --- the job that comes of it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "cents"),
    [
        ({"mode": "fast", "duration": 5}, 47),
        ({"mode": "fast", "duration": 10}, 94),
        ({"mode": "hq", "duration": 5}, 94),
        ({"mode": "hq", "duration": 10}, 187),
    ],
)
def test_a_job_costs_what_its_options_cost(desk: Desk, options, cents):
    desk.lay(SIDECAR, options)

    assert desk.accepted().cost_cents == cents


def test_a_refused_job_costs_nothing(desk: Desk):
    desk.lay(SIDECAR, {"mode": "slow"})

    job = desk.rejected()

    assert (job.cost_cents, job.charge) == (0, Charge.NONE)


def test_a_job_holds_exactly_the_version_that_was_validated(desk: Desk):
    image = desk.accepted(Drop(ImageRef("uploads", KEY), request_id="r1")).image

    assert image == Image(
        bucket="uploads",
        key=KEY,
        version_id="v1",
        etag='"e1"',
        size=len(jpeg()),
        sha256=hashlib.sha256(jpeg()).hexdigest(),
        format="JPEG",
        width=60,
        height=40,
    )


def test_a_validated_job_still_waits_where_it_was_received(desk: Desk):
    job = desk.accepted()

    found = {"image", "options", "option_sources", "warnings", "cost_cents"}
    assert {name for name, value in vars(job).items() if value != getattr(desk.received(DROP), name)} == found


def test_a_small_picture_gets_a_warning_on_the_job(desk: Desk):
    (warning,) = desk.accepted().warnings

    assert "60 x 40" in warning


def test_a_large_picture_of_the_right_shape_gets_no_warning(desk: Desk):
    desk.image.content = encoded(picture(1920, 1080), "JPEG")

    assert desk.accepted().warnings == ()


@pytest.mark.parametrize(("orientation", "ratio"), [(1, "16:9"), (3, "16:9"), (6, "9:16"), (8, "9:16")])
def test_auto_is_the_ratio_of_the_picture_as_it_is_shown(desk: Desk, orientation, ratio):
    desk.image.content = jpeg(orientation=orientation)

    assert desk.accepted().options.aspect_ratio == ratio


@pytest.mark.parametrize(("orientation", "warnings"), [(1, 1), (6, 2)])
def test_a_shape_far_from_the_asked_ratio_is_validated_as_it_is_shown(desk: Desk, orientation, warnings):
    desk.image.content = jpeg(orientation=orientation)
    desk.lay(SIDECAR, {"aspect_ratio": "16:9"})

    assert len(desk.accepted().warnings) == warnings


def test_a_job_measures_the_picture_as_it_is_shown(desk: Desk):
    desk.image.content = jpeg(orientation=6)

    image = desk.accepted().image

    assert (image.width, image.height) == (40, 60)


def test_an_asked_auto_keeps_its_source_when_it_becomes_a_ratio(desk: Desk):
    desk.lay(SIDECAR, {"aspect_ratio": "auto"})

    job = desk.accepted()

    assert (job.options.aspect_ratio, job.option_sources["aspect_ratio"]) == ("16:9", SIDECAR)
