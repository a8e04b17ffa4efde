"""All versions of objects, delete markers included: found by key, and deleted for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel.domain.messages import MAX_KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or a delete marker. A bucket without versioning has one, whose id is `null`."""

    version_id: str
    last_modified: datetime
    is_marker: bool


@dataclass(frozen=True)
class VersionedObject:
    """An object with all of its versions, the oldest first. `kind` says what it is, such as `video`."""

    kind: str
    bucket: str
    key: str
    versions: tuple[ObjectVersion, ...]


def find_objects(
    client: Any, kind: str, bucket: str, prefix: str, is_wanted: Callable[[str], bool]
) -> list[VersionedObject]:
    """Return the wanted objects whose keys begin with a prefix, deleted ones that still have versions included.

    Raises botocore's ClientError.
    """
    found: dict[str, list[ObjectVersion]] = {}
    for page in _pages(client, bucket, prefix):
        for key, version in page:
            if is_wanted(key):
                found.setdefault(key, []).append(version)
    return [VersionedObject(kind, bucket, key, _oldest_first(versions)) for key, versions in found.items()]


def find_object(client: Any, kind: str, bucket: str, key: str) -> list[VersionedObject]:
    """Return the object with this key, or none. S3 lists in the order of keys: it comes before all that begin with its key."""
    versions: list[ObjectVersion] = []
    for page in _pages(client, bucket, key):
        versions += [version for found, version in page if found == key]
        if any(found != key for found, _ in page):
            break
    return [VersionedObject(kind, bucket, key, _oldest_first(versions))] if versions else []


def delete_versions(client: Any, found: VersionedObject) -> None:
    """Delete an object's versions, the oldest first: no older one becomes visible meanwhile. May be repeated."""
    for version in found.versions:
        client.delete_object(Bucket=found.bucket, Key=found.key, VersionId=version.version_id)


def _pages(client: Any, bucket: str, prefix: str) -> Iterator[list[tuple[str, ObjectVersion]]]:
    """Yield the keys and versions of each page of S3's list. A bucket that does not exist has none."""
    if len(prefix.encode()) > MAX_KEY_BYTES:
        return
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for page in pages:
            listed = [(one, is_marker) for name, is_marker in _PARTS for one in page.get(name, [])]
            yield [
                (one["Key"], ObjectVersion(one["VersionId"], one["LastModified"], is_marker))
                for one, is_marker in listed
            ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def _oldest_first(versions: list[ObjectVersion]) -> tuple[ObjectVersion, ...]:
    """Return S3's list, the newest first, by age. Its times are whole seconds; a delete marker of the same second comes last."""
    oldest_first = versions[::-1]
    return tuple(sorted(oldest_first, key=lambda one: (one.last_modified, one.is_marker)))


_PARTS = (("Versions", False), ("DeleteMarkers", True))
