"""ImageValidator: where each option comes from, and which options reject an image."""

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.events import detail_of
from dropreel.domain.images import ImageRef, Missing
from dropreel.domain.job import EventType
from dropreel.domain.messages import Drop
from dropreel.domain.option_files import MAX_FILE_BYTES
from dropreel.domain.options import OPTION_NAMES, Options
from tests.support.validation_harness import DROP, MAX_EVENT_BYTES, MIDDLE, NEAR, REQUEST, ROOT, SIDECAR, Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()


# --- where options come from -----------------------------------------------------------------------------------------

PLACES = ("request", "S3 metadata", SIDECAR, NEAR, MIDDLE, ROOT, "stack parameters")


def set_prompts_from(harness: Harness, first: int) -> Drop:
    """Set a prompt, the place's own name, in this place and in every less specific one."""
    asked = PLACES[first:]
    for key in (SIDECAR, NEAR, MIDDLE, ROOT):
        if key in asked:
            harness.put_file(key, {"prompt": key})
    if "S3 metadata" in asked:
        harness.image.metadata = {"prompt": "S3 metadata"}
    harness.parameters["prompt"] = "stack parameters"
    return replace(REQUEST, options={"prompt": "request"} if "request" in asked else {})


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_an_option_is_taken_from_the_most_specific_place_that_has_it(harness: Harness, first):
    drop = set_prompts_from(harness, first)

    job = harness.accepted(drop)

    assert (job.options.prompt, job.option_sources["prompt"]) == (PLACES[first], PLACES[first])


def test_each_option_is_taken_by_itself_and_its_source_recorded(harness: Harness):
    harness.image.metadata = {"mode": "hq"}
    harness.put_file(SIDECAR, {"duration": 10})
    harness.put_file(NEAR, {"sound": False})
    harness.put_file(MIDDLE, {"cfg_scale": 0.25})
    harness.put_file(ROOT, {"negative_prompt": "blur"})

    job = harness.accepted(replace(REQUEST, options={"prompt": "waves"}))

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


def test_folders_are_merged_and_the_nearer_one_wins(harness: Harness):
    harness.put_file(ROOT, {"mode": "hq", "duration": 10, "prompt": "root"})
    harness.put_file(MIDDLE, {"duration": 5, "prompt": "middle"})
    harness.put_file(NEAR, {"prompt": "near"})

    options = harness.accepted().options

    assert (options.mode, options.duration, options.prompt) == ("hq", 5, "near")


def test_a_bare_drop_takes_everything_from_the_stack(harness: Harness):
    assert harness.accepted().option_sources == dict.fromkeys(OPTION_NAMES, "stack parameters")


def test_files_are_looked_for_in_the_images_bucket_and_folders_only(harness: Harness):
    harness.accepted()

    stems = [key.removesuffix("json") for key in (ROOT, MIDDLE, NEAR, SIDECAR)]
    assert harness.images.listed == [f"uploads/{stem}" for stem in stems]
    assert "read_file" not in harness.journal


def test_option_files_of_an_image_from_a_mac_are_found(harness: Harness):
    mac, other = (unicodedata.normalize(form, "Café/Grüße.jpg") for form in ("NFD", "NFC"))
    harness.image.key = mac
    harness.put_file(f"{other}.JSON", {"prompt": "waves"})
    harness.put_file(f"{other.partition('/')[0]}/dropreel.json", {"mode": "hq"})

    job = harness.accepted(replace(DROP, image=ImageRef("uploads", mac, "v1")))

    assert (job.options.prompt, job.option_sources["prompt"]) == ("waves", f"{other}.JSON")
    assert job.options.mode == "hq"


def test_a_file_of_a_neighbouring_folder_is_ignored(harness: Harness):
    harness.put_file("trips/city/dropreel.json", {"mode": "hq"})
    harness.put_file("trips/holiday/other.jpg.json", {"mode": "hq"})

    assert harness.accepted().options.mode == "fast"


@pytest.mark.parametrize("name", ["negative-prompt", "negative_prompt", "Negative-Prompt", "NEGATIVE_PROMPT"])
def test_metadata_is_known_with_hyphens_underscores_and_in_any_case(harness: Harness, name):
    harness.image.metadata = {name: "blur"}

    job = harness.accepted()

    assert (job.options.negative_prompt, job.option_sources["negative_prompt"]) == ("blur", "S3 metadata")


def test_metadata_that_names_an_option_twice_must_agree(harness: Harness):
    harness.image.metadata = {"aspect-ratio": "1:1", "aspect_ratio": "16:9", "cfg-scale": "0.2", "cfg_scale": "0.2"}

    code, messages = harness.refused()

    assert code == "options_invalid"
    assert messages == ("S3 metadata: aspect_ratio is given twice, as '1:1' and as '16:9'; give it once.",)


def test_metadata_is_text_and_read_as_such(harness: Harness):
    harness.image.metadata = {"duration": "10", "cfg-scale": "0.75", "sound": "False"}

    options = harness.accepted().options

    assert (options.duration, options.cfg_scale, options.sound) == (10, 0.75, False)


def test_metadata_that_is_no_option_is_ignored(harness: Harness):
    harness.image.metadata = {"camera": "x100", "promt": "waves", "image-url": "https://example.org"}

    assert harness.accepted().options.prompt == "from the stack"


@pytest.mark.parametrize("mode", ["33188", "16877", "100644", "0644", "644"])
def test_file_permissions_stored_as_mode_are_not_an_option(harness: Harness, mode):
    harness.image.metadata = {"mode": mode, "uid": "1000", "gid": "1000", "mtime": "1762905600"}

    assert harness.accepted().options.mode == "fast"


@pytest.mark.parametrize("mode", ["1", "hq1", "slow", "", "-644"])
def test_any_other_mode_in_metadata_is_refused(harness: Harness, mode):
    harness.image.metadata = {"mode": mode}

    assert harness.refused()[0] == "options_invalid"


# --- invalid options ------------------------------------------------------------------------------------------------


def options_in(harness: Harness, place: str, options: dict[str, Any]) -> Drop:
    if place == "request":
        return replace(REQUEST, options=options)
    harness.put_file(place, options)
    return DROP


@pytest.mark.parametrize("place", ["request", SIDECAR, NEAR, MIDDLE, ROOT])
def test_an_unknown_name_is_refused_with_the_nearest_option(harness: Harness, place):
    drop = options_in(harness, place, {"promt": "waves"})

    code, (message,) = harness.refused(drop)

    assert code == "options_invalid"
    assert message.startswith(f"{place}: there is no option 'promt' (did you mean prompt?); allowed are prompt, mode,")


@pytest.mark.parametrize("place", ["request", SIDECAR, NEAR, MIDDLE, ROOT])
def test_a_wrong_value_is_rejected_with_place_value_and_allowed_values(harness: Harness, place):
    drop = options_in(harness, place, {"mode": "slow"})

    code, (message,) = harness.refused(drop)

    assert code == "options_invalid"
    assert message == f"{place}: mode is 'slow'; allowed are fast, hq."


@pytest.mark.parametrize(("mode", "end"), [("HQ", "did you mean hq?"), ("slow", "allowed are fast, hq.")])
def test_a_message_ends_in_one_punctuation_mark(harness: Harness, mode, end):
    harness.put_file(SIDECAR, {"mode": mode})

    _code, (message,) = harness.refused()

    assert message.endswith(f" {end}")


def test_a_wrong_value_is_rejected_even_if_it_is_overridden(harness: Harness):
    harness.put_file(ROOT, {"duration": 7})

    _code, (message,) = harness.refused(replace(REQUEST, options={"duration": 5}))

    assert message.startswith(f"{ROOT}: duration is 7")


@pytest.mark.parametrize("place", [SIDECAR, NEAR, MIDDLE, ROOT])
@pytest.mark.parametrize("content", [b"", b"mode: hq", b"[]", b"\xff", b'{"mode": NaN}', bytes(MAX_FILE_BYTES + 1)])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(harness: Harness, place, content):
    harness.images.files[place] = content

    code, (message,) = harness.refused()

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
def test_a_file_that_s3_does_not_return_is_refused_with_the_cause(harness: Harness, missing, what):
    harness.images.files[ROOT] = missing

    assert harness.refused() == ("options_invalid", (f"{ROOT}: {what}.",))


def test_a_file_deleted_after_it_was_listed_is_ignored(harness: Harness):
    harness.images.files[ROOT] = Missing.GONE

    assert harness.accepted().options.prompt == "from the stack"


def test_all_faults_of_options_and_image_are_in_one_rejection(harness: Harness):
    harness.image.content = b"GIF89a"
    harness.image.metadata = {"mode": "slow"}
    harness.put_file(SIDECAR, {"sound": "yes", "promt": "waves"})
    harness.images.files[NEAR] = b"not json"
    harness.put_file(MIDDLE, ["mode"])
    harness.put_file(ROOT, {"duration": 7})

    code, messages = harness.refused(replace(REQUEST, options={"cfg_scale": 3}))

    assert code == "image_format"
    assert "GIF" in messages[0]
    assert sorted(message.split(": ")[0] for message in messages[1:]) == sorted(
        ["request", "S3 metadata", SIDECAR, SIDECAR, NEAR, MIDDLE, ROOT]
    )


def test_the_message_is_all_messages_together(harness: Harness):
    harness.put_file(SIDECAR, {"mode": "slow", "duration": 7})

    reason = harness.validate().reason

    assert reason is not None
    assert len(reason.messages) == 2
    assert reason.message == " ".join(reason.messages)


def test_options_are_validated_and_the_image_described(harness: Harness):
    harness.put_file(SIDECAR, {"mode": "slow"})

    job = harness.validate().job

    assert (job.image.format, job.image.width, job.image.height) == ("JPEG", 60, 40)


@pytest.mark.parametrize("place", ["request", SIDECAR])
def test_a_refusal_with_thousands_of_faults_still_fits_into_an_event(harness: Harness, place):
    drop = options_in(harness, place, {f"o{number}": 0 for number in range(5000)})

    job = harness.rejected(drop)

    assert len(json.dumps(detail_of(job, EventType.REJECTED)).encode()) < MAX_EVENT_BYTES
