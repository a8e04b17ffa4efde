"""Drafts of the board: their folders, their thumbnails, how long they stay."""

import os
from pathlib import Path

import pytest

from dropreel_cli.web.drafts import Drafts, remove_left_folders
from tests.support.phone_pictures import photograph
from tests.support.pictures import jpeg
from tests.unit.web.board_drop import Drop


@pytest.mark.parametrize("name", ["1", "2"])
def test_a_thumbnail_is_made_of_what_can_be_read(drop: Drop, name: str) -> None:
    drop.put("a.heic", photograph("HEIC", (1024, 1024)))
    drop.put("b.jpg", jpeg())

    first = drop.client.get(f"/drops/{drop.id}/thumbnails/{name}")
    kept = drop.client.get(f"/drops/{drop.id}/thumbnails/{name}")

    assert first.headers["content-type"] == "image/webp"
    assert first.content == kept.content


@pytest.mark.parametrize("name", ["1", "2", "x", "%2e%2e%2f1"])
def test_of_what_is_no_picture_of_the_draft_there_is_no_thumbnail(drop: Drop, name: str) -> None:
    drop.put("a.jpg", b"text")

    answer = drop.client.get(f"/drops/{drop.id}/thumbnails/{name}")

    assert answer.status_code == 404 or answer.headers["content-type"] == "image/svg+xml"


def test_a_draft_that_is_not_used_for_an_hour_is_removed() -> None:
    time = [0.0]
    kept = Drafts(lambda: time[0])
    old, used = kept.open(), kept.open()
    time[0] = 3000
    kept.find(used.draft_id)
    time[0] = 3601

    kept.remove_unused()

    assert not old.folder.exists()
    assert used.folder.stat().st_mode & 0o777 == 0o700
    kept.close()
    assert not used.folder.exists()


def test_folders_of_boards_that_were_killed_are_removed_and_no_others(tmp_path: Path) -> None:
    gone, alive, foreign = (tmp_path / f"dropreel-drops-{name}" for name in ("4194999-ab", f"{os.getpid()}-ab", "mine"))
    for folder in (gone, alive, foreign):
        folder.mkdir()
        (folder / "1").write_bytes(b"x")
    linked = tmp_path / "dropreel-drops-4194998-ab"
    linked.symlink_to(foreign)

    remove_left_folders(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([alive, foreign, linked])
    assert (foreign / "1").exists()
