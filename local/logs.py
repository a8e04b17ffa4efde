"""A log folder for each run, so that concurrent runs do not share log files."""

import os
import re
import shutil
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".local" / "logs"
KEPT = 10
"""How many folders are kept, the newest ones; those of runs in progress are kept in addition."""

_NAME = re.compile(r"\d{8}-\d{6}-(?P<pid>\d+)(-\d+)?")


def new_log_folder(logs: Path = LOGS) -> Path:
    """Make this run's folder, link `latest` to it, and remove the oldest folders of finished runs."""
    logs.mkdir(parents=True, exist_ok=True)
    folder = _make(logs, f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    link = logs / f"latest-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(logs / "latest")
    _remove_oldest(logs)
    return folder


def display_path(path: Path) -> str:
    """Return a path for a message: relative to the current folder where it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _make(logs: Path, name: str) -> Path:
    number = 1
    while True:
        folder = logs / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:  # two clouds of one process within a second
            number += 1
        else:
            return folder


def _remove_oldest(logs: Path) -> None:
    folders = [one for one in logs.iterdir() if _NAME.fullmatch(one.name) and one.is_dir()]
    for folder in sorted(folders, key=lambda one: one.name)[:-KEPT]:
        found = _NAME.fullmatch(folder.name)
        if found and not _is_running(int(found["pid"])):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's process
        return True
    return True
