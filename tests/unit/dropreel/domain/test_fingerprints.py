from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.fingerprints import picture_of, request_fingerprint
from dropreel.domain.job import Job
from dropreel.domain.option_places import S3_METADATA, STACK_PARAMETERS
from tests.support.sample_jobs import IMAGE, NOON, OPTIONS, job_with

SIDECAR = "holiday/beach.jpg.json"


def job(own: dict[str, str] | None = None, **changes: Any) -> Job:
    """A job of an upload; `own` has the source of each option."""
    plain = job_with()
    image = plain.image._replace(sha256="ab" * 32)
    return replace(plain, image=image, option_sources={**plain.option_sources, **(own or {})}, **changes)


def key_of(one: Job) -> str:
    found = picture_of(one, NOON)
    assert found is not None
    return found.item_key


def test_a_picture_has_its_own_item_key():
    assert key_of(job()).startswith("picture-")
    assert len(key_of(job())) == len("picture-") + 24


def test_a_picture_has_whether_and_when_it_was_copied():
    found = picture_of(job(is_copy=True), NOON)

    assert found is not None
    assert (found.is_copy, found.modified_at) == (True, NOON)


@pytest.mark.parametrize("change", [{"bucket": "other"}, {"key": "other"}, {"sha256": "other"}])
def test_another_picture_or_another_key_is_another_item(change: dict[str, Any]):
    other = replace(job(), image=job().image._replace(**change))

    assert key_of(other) != key_of(job())


def test_a_rehearsals_picture_is_another_item_than_the_real_one():
    assert key_of(job(rehearsal=True)) == key_of(job(rehearsal=True))
    assert key_of(job(rehearsal=True)) != key_of(job())


@pytest.mark.parametrize("change", [{"version_id": "v2"}, {"etag": '"e1-2"'}, {"etag": None}])
def test_what_a_copy_changes_is_the_same_item(change):
    assert key_of(replace(job(), image=job().image._replace(**change))) == key_of(job())


@pytest.mark.parametrize("place", [S3_METADATA, SIDECAR, "holiday/beach.jpg.JSON"])
def test_the_images_own_options_make_another_picture(place):
    quiet, loud = (replace(job({"sound": place}), options=OPTIONS._replace(sound=sound)) for sound in (False, True))

    assert len({key_of(quiet), key_of(loud), key_of(job())}) == 3


@pytest.mark.parametrize("place", [STACK_PARAMETERS, "holiday/dropreel.json", "dropreel.JSON"])
def test_options_of_folders_and_of_the_stack_make_no_other_picture(place):
    quiet = replace(job({"sound": place}), options=OPTIONS._replace(sound=False))

    assert key_of(quiet) == key_of(job())


def test_a_number_is_the_same_before_and_after_it_was_in_the_table():
    fresh, stored = (
        replace(job({"cfg_scale": SIDECAR}), options=OPTIONS._replace(cfg_scale=scale)) for scale in (1.0, 1)
    )

    assert key_of(fresh) == key_of(stored)


def test_numbers_with_different_fractions_differ():
    scales = [replace(job({"cfg_scale": SIDECAR}), options=OPTIONS._replace(cfg_scale=scale)) for scale in (0.35, 0.5)]

    assert key_of(scales[0]) != key_of(scales[1])


def test_the_order_of_options_does_not_count():
    """A map in DynamoDB has no order."""
    own = {"sound": SIDECAR, "mode": S3_METADATA, "prompt": SIDECAR}
    backwards = dict(reversed(own.items()))

    assert key_of(replace(job(), option_sources=own)) == key_of(replace(job(), option_sources=backwards))
    assert request_fingerprint(own, ()) == request_fingerprint(backwards, ())


@pytest.mark.parametrize("changes", [{"request_id": "r1"}, {"image": IMAGE._replace(sha256=None)}])
def test_a_request_and_a_job_without_a_digest_have_no_picture(changes):
    assert picture_of(replace(job(), **changes), NOON) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"mode": "hq"}),
        ({"mode": "hq"}, {"mode": "fast"}),
        ({"sound": True}, {"sound": "true"}),
        ({"sound": True}, {"sound": 1}),
        ({"duration": 5}, {"duration": "5"}),
        ({"prompt": None}, {}),
        ({"prompt": None}, {"prompt": "NoneType"}),
        ({"cfg_scale": 0.5}, {"cfg_scale": 0.35}),
    ],
)
def test_requests_that_ask_for_different_things_differ(one, other):
    assert request_fingerprint(one, ()) != request_fingerprint(other, ())


def test_a_wrong_request_and_the_corrected_one_differ():
    assert request_fingerprint({}, ("There is no 'x'.",)) != request_fingerprint({}, ())


def test_a_value_of_any_depth_has_a_fingerprint():
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    assert request_fingerprint({"prompt": deep, "half \ud83d": float("inf")}, ())
