"""The files of a running local cloud: how it is reached, who runs it, and the request to stop.

The process that runs the cloud holds a lock for its whole life. So whether one runs is never read from a process id,
which another process may have by now; and it is asked to stop by a file, so no signal can reach a wrong process.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropreel_cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCAL_CLOUD_VARIABLE = "DROPREEL_LOCAL_CLOUD"
"""The environment variable with the path of the local cloud's file, instead of `LOCAL_CLOUD` in the checkout around here."""
LOCAL_CLOUD = Path(".local", "cloud.json")
"""Where `dropreel up` writes how its local cloud is reached: endpoint_url, region, access_key_id, secret_access_key, stack, pid."""
STOP_SECONDS = 30.0
"""How long a local cloud may take to stop before its process is killed."""
_POLL_SECONDS = 0.1
_TRIES = 10


def local_cloud_file() -> Path | None:
    """Return the file of the running local cloud; None where there is none."""
    named = os.environ.get(LOCAL_CLOUD_VARIABLE)
    if named:
        return Path(named) if Path(named).is_file() else None
    here = Path.cwd()
    return next((found for folder in (here, *here.parents) if (found := folder / LOCAL_CLOUD).is_file()), None)


def is_alive(pid: int) -> bool:
    """Return whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's process
        return True
    return True


@dataclass(frozen=True)
class CloudFiles:
    """The files of one local cloud, side by side; `description` is the one that other commands read."""

    description: Path

    @classmethod
    def of_checkout(cls, root: Path) -> CloudFiles:
        """Return the files of a checkout's local cloud, or of the one that the environment names."""
        named = os.environ.get(LOCAL_CLOUD_VARIABLE)
        return cls(Path(named).absolute() if named else root / LOCAL_CLOUD)

    @property
    def lock(self) -> Path:
        """Locked, and with the process id of its holder, while a local cloud runs. It stays when the cloud has ended."""
        return self.description.with_suffix(".lock")

    @property
    def stop_request(self) -> Path:
        """There while the cloud is asked to stop."""
        return self.description.with_suffix(".stop")

    @property
    def log(self) -> Path:
        """What the process of a cloud in the background prints."""
        return self.description.with_suffix(".log")

    def is_running(self) -> bool:
        """Return whether a local cloud runs, or is starting or stopping."""
        try:
            with self.lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def read(self) -> dict[str, Any] | None:
        """Return how the running cloud is reached; None while there is none, or it is not ready."""
        if not self.is_running():
            return None
        try:
            described: dict[str, Any] = json.loads(self.description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return described

    def write(self, described: Mapping[str, Any]) -> None:
        """Write how the cloud is reached, for this user only, in one step."""
        new = self.description.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(described, indent=2) + "\n")
        new.replace(self.description)

    @contextmanager
    def held(self) -> Iterator[HeldLock]:
        """Hold the lock as the process of the local cloud. Raises CommandError (REFUSED) where another one runs."""
        self.description.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            self._remove_others()
            try:
                yield HeldLock(self, descriptor)
            finally:
                self._remove_others()
        finally:
            os.close(descriptor)

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Stop the running cloud and wait until it has ended; return whether one was running.

        Where it does not stop in time, its process is killed: what it started ends with it. Raises CommandError if it stays.
        """
        if not self.is_running():
            self._remove_stale()
            return False
        self.stop_request.touch()
        if not self._wait_until_ended(seconds):
            with suppress(ProcessLookupError, ValueError):  # it holds the lock, so the id in it is its own
                os.kill(int(self.lock.read_text(encoding="ascii")), signal.SIGKILL)
            if not self._wait_until_ended(seconds):
                raise CommandError(f"The local cloud did not stop. Its log: {self.log}", Exit.FAILED)
        self._remove_stale()
        return True

    def _wait_until_ended(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _acquire(self, descriptor: int) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # by another cloud, or for a moment by a command that looks
                time.sleep(_POLL_SECONDS / 2)
            else:
                return
        raise CommandError("The local cloud is up already. To stop it: dropreel down", Exit.REFUSED)

    def _remove_stale(self) -> None:
        """Remove what a killed cloud has left, unless another one has started."""
        with suppress(FileNotFoundError, BlockingIOError), self.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove_others()

    def _remove_others(self) -> None:
        for file in (self.description, self.stop_request):
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class HeldLock:
    """The lock of this process's local cloud."""

    files: CloudFiles
    descriptor: int

    def is_asked_to_stop(self) -> bool:
        """Return whether `dropreel down` asks for it, or the files were removed: then another cloud may be started."""
        try:
            is_same = os.path.samestat(os.stat(self.files.lock), os.fstat(self.descriptor))  # noqa: PTH116
        except FileNotFoundError:
            return True
        return not is_same or self.files.stop_request.exists()
