"""A folder of logs for each run."""

import os
from pathlib import Path

from local.logs import KEPT, ROOT, new_log_folder, shown


def test_each_run_has_a_folder_of_its_own_and_latest_is_the_last(tmp_path: Path) -> None:
    first, second = new_log_folder(tmp_path), new_log_folder(tmp_path)

    assert first != second
    assert first.is_dir()
    assert (tmp_path / "latest").resolve() == second


def test_only_the_newest_folders_are_kept_and_those_of_runs_that_go_on(tmp_path: Path) -> None:
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


def test_paths_are_shown_from_the_repository_on(tmp_path: Path) -> None:
    assert shown(ROOT / ".local" / "logs") == ".local/logs"
    assert shown(tmp_path) == str(tmp_path)
