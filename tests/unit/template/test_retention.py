"""What S3 deletes, and when: the lifecycle rules of the three buckets. No local engine runs them."""

from typing import Any

import pytest

from dropreel.domain.backoff import LONGEST_DEAD_LETTER, LONGEST_DEFERRAL, LONGEST_HOLD
from tests.unit.template.resolved import refused, resources

BUCKETS = ("UploadsBucket", "PreparedBucket", "VideosBucket")
DAYS_IN_QUEUE = 864000 / 86400


def rules(bucket: str, **given: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = resources(**given)[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    return found


def actions(bucket: str, name: str, **given: str) -> list[Any]:
    """Return the values of a lifecycle action in the rules of a bucket."""
    return [rule[name] for rule in rules(bucket, **given) if name in rule]


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("days", ["0", "30"])
def test_every_rule_is_enabled_named_and_for_the_whole_bucket(bucket: str, days: str) -> None:
    found = rules(bucket, KeepImagesDays=days)

    assert {rule["Status"] for rule in found} == {"Enabled"}
    assert len({rule["Id"] for rule in found}) == len(found)
    assert [rule for rule in found if {"Prefix", "TagFilters", "ObjectSizeGreaterThan"} & set(rule)] == []


@pytest.mark.parametrize("bucket", BUCKETS)
def test_delete_markers_and_parts_of_uploads_are_cleaned_up(bucket: str) -> None:
    assert actions(bucket, "ExpiredObjectDeleteMarker") == [True]
    assert actions(bucket, "AbortIncompleteMultipartUpload") == [{"DaysAfterInitiation": 1}]


def test_s3_takes_no_rule_that_deletes_after_days_and_delete_markers() -> None:
    """S3 answers 400 where one rule's Expiration has both Days and ExpiredObjectDeleteMarker."""
    every = [rule for bucket in BUCKETS for rule in rules(bucket, KeepImagesDays="30")]

    assert [rule for rule in every if {"ExpirationInDays", "ExpiredObjectDeleteMarker"} <= set(rule)] == []


@pytest.mark.parametrize("bucket", ["UploadsBucket", "VideosBucket"])
def test_no_image_and_no_video_is_deleted_by_default(bucket: str) -> None:
    assert actions(bucket, "ExpirationInDays") == []


def test_no_video_is_deleted_with_the_images() -> None:
    assert rules("VideosBucket", KeepImagesDays="1") == rules("VideosBucket")
    assert rules("PreparedBucket", KeepImagesDays="1") == rules("PreparedBucket")


@pytest.mark.parametrize("bucket", ["UploadsBucket", "VideosBucket"])
def test_an_old_version_outlasts_every_wait_of_a_job(bucket: str) -> None:
    """A job fetches the version that was validated, even if it has been replaced: without it the drop would be lost."""
    longest = LONGEST_HOLD + LONGEST_DEFERRAL + LONGEST_DEAD_LETTER

    assert actions(bucket, "NoncurrentVersionExpiration") == [{"NoncurrentDays": 400}]
    assert longest.days + DAYS_IN_QUEUE < 400


@pytest.mark.parametrize("days", ["1", "30", "3650"])
def test_images_are_deleted_after_keep_images_days(days: str) -> None:
    """A replaced version is kept as long as a current one, so that a job within that time has its image."""
    (rule,) = [one for one in rules("UploadsBucket", KeepImagesDays=days) if one["Id"] == "delete-images"]

    assert rule["ExpirationInDays"] == days
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": days}


@pytest.mark.parametrize("days", ["0", "1", "9", "10", "99", "365", "999", "1000", "2999", "3599", "3649", "3650"])
def test_a_number_of_days_is_taken(days: str) -> None:
    assert refused(KeepImagesDays=days) == []


@pytest.mark.parametrize("days", ["-1", "3651", "3660", "3700", "4000", "9999", "10000", "00", "01", "1.5", "", "ever"])
def test_what_is_no_number_of_days_is_refused(days: str) -> None:
    assert refused(KeepImagesDays=days) == ["KeepImagesDays"]
