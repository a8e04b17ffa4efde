"""The order in which an object's versions are deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dropreel_cli.object_versions import find_object

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class Listing:
    """A client of S3 whose list of versions is this."""

    def __init__(self, versions: list[dict[str, Any]], markers: list[dict[str, Any]]) -> None:
        self.page = {"Versions": versions, "DeleteMarkers": markers}

    def get_paginator(self, _: str) -> "Listing":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [self.page]


def listed(version_id: str, seconds: int) -> dict[str, Any]:
    return {"Key": "a.jpg", "VersionId": version_id, "LastModified": AT + timedelta(seconds=seconds)}


def test_versions_of_one_second_are_in_the_order_of_their_writes() -> None:
    """S3 lists the newest first, and its times are whole seconds."""
    client = Listing([listed("3", 0), listed("2", 0), listed("1", 0), listed("0", -5)], [listed("marker", 0)])

    (found,) = find_object(client, "image", "uploads", "a.jpg")

    assert [one.version_id for one in found.versions] == ["0", "1", "2", "3", "marker"]


def test_an_object_whose_key_only_begins_like_it_is_not_found() -> None:
    other = {**listed("1", 0), "Key": "a.jpg.bak"}

    assert find_object(Listing([other], []), "image", "uploads", "a.jpg") == []
