"""Renders videos in the background and keeps them on disk: submissions that ask for the same video share one render."""

import itertools
import logging
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .rendering import RenderingStopped, VideoPlan, render_video

VideoFile = Future[Path]
"""A finished or coming MP4."""

_log = logging.getLogger(__name__)

Renderer = Callable[[bytes, VideoPlan, Path, threading.Event], None]


class Videos:
    """A cache of videos in a directory that goes away with the simulator. Images wait on disk too, to bound memory.

    One worker renders, so that a busy run leaves the rest of the computer to what is being tested.
    """

    def __init__(self, render: Renderer = render_video) -> None:
        self._render = render
        self.one_for_all = False
        """Whether every image gets the video of the first that asked for the same plan: for runs of many images."""
        self._directory = tempfile.TemporaryDirectory(prefix="provider-simulator-")
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._files: dict[tuple[str, VideoPlan], VideoFile] = {}

    def video(self, image: bytes, image_sha256: str, plan: VideoPlan) -> VideoFile:
        """The video of an image: the one that exists, the one on its way, or a new one."""
        source_of_video = "" if self.one_for_all else image_sha256
        with self._lock:
            known = self._files.get((source_of_video, plan))
            if known is None:
                # Each render has files of its own: one that was given up may still be tidying when the next begins.
                source = Path(self._directory.name, f"{next(self._numbers)}.image")
                source.write_bytes(image)
                known = self._files[source_of_video, plan] = self._pool.submit(self._make, source, plan, self._stop)
        return known

    def _make(self, source: Path, plan: VideoPlan, stop: threading.Event) -> Path:
        unfinished, finished = source.with_suffix(".part"), source.with_suffix(".mp4")
        try:
            self._render(source.read_bytes(), plan, unfinished, stop)
        except RenderingStopped:
            raise
        except Exception:
            # Callers see a failed generation; why it failed is for whoever runs the simulator.
            _log.exception("could not render %s", plan)
            raise
        finally:
            source.unlink(missing_ok=True)
        return unfinished.rename(finished)

    def forget_unfinished(self) -> None:
        """Drops the renders that have not ended, so that they do not hold up the next ones."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            for key in [key for key, file in self._files.items() if not file.done()]:
                self._files.pop(key).cancel()

    def close(self) -> None:
        """Stops rendering within a frame's time and removes all files."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._directory.cleanup()
