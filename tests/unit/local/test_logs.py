"""A folder of logs for each run."""

import os
from pathlib import Path

from local.logs import KEPT, ROOT, display_path, new_log_folder


def test_each_run_has_its_own_folder_and_latest_links_to_the_last(tmp_path: Path) -> None:
    first, second = new_log_folder(tmp_path), new_log_folder(tmp_path)

    assert first != second
    assert first.is_dir()
    assert (tmp_path / "latest").resolve() == second


def test_the_newest_folders_and_those_of_running_runs_are_kept(tmp_path: Path) -> None:
    over = 2**22 + 1  # above Linux's highest process id
    running = tmp_path / f"20200101-000000-{os.getpid()}"
    for folder in (running, *(tmp_path / f"202001{day:02d}-120000-{over}" for day in range(1, 20))):
        folder.mkdir()
        (folder / "engine.log").write_text("started\n")
    (tmp_path / "sam-build.log").write_text("built\n")

    new = new_log_folder(tmp_path)

    kept = sorted(one for one in tmp_path.iterdir() if one.is_dir() and not one.is_symlink())
    assert kept == [running, *(tmp_path / f"202001{day:02d}-120000-{over}" for day in range(11, 20)), new]
    assert len(kept) == KEPT + 1
    assert (tmp_path / "sam-build.log").exists()


def test_paths_in_the_repository_are_shown_relative_to_it(tmp_path: Path) -> None:
    assert display_path(ROOT / ".local" / "logs") == ".local/logs"
    assert display_path(tmp_path) == str(tmp_path)
