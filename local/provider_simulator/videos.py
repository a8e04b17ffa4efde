"""Renders videos in the background and caches them on disk. Submissions of the same video share one render."""

import itertools
import logging
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .rendering import RenderingStopped, VideoPlan, render_video

VideoFile = Future[Path]
"""The path of an MP4, once it is rendered."""

_log = logging.getLogger(__name__)

Renderer = Callable[[bytes, VideoPlan, Path, threading.Event], None]


class Videos:
    """A cache of videos in a temporary directory. Waiting images are on disk too, to bound memory.

    Only one worker renders, so that a busy run leaves the other processors to the code under test.
    """

    def __init__(self, render: Renderer = render_video) -> None:
        self._render = render
        self.one_for_all = False
        """Whether images with the same plan share the first one's video: for runs of many images."""
        self._directory = tempfile.TemporaryDirectory(prefix="provider-simulator-")
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._files: dict[tuple[str, VideoPlan], VideoFile] = {}

    def video(self, image: bytes, image_sha256: str, plan: VideoPlan) -> VideoFile:
        """The video of an image: an existing one, one being rendered, or a new one."""
        key = ("" if self.one_for_all else image_sha256, plan)
        with self._lock:
            known = self._files.get(key)
            if known is None:
                # Each render has its own files: a cancelled one may still be removing its own when the next one starts.
                source = Path(self._directory.name, f"{next(self._numbers)}.image")
                source.write_bytes(image)
                known = self._files[key] = self._pool.submit(self._make, source, plan, self._stop)
        return known

    def _make(self, source: Path, plan: VideoPlan, stop: threading.Event) -> Path:
        unfinished, finished = source.with_suffix(".part"), source.with_suffix(".mp4")
        try:
            self._render(source.read_bytes(), plan, unfinished, stop)
        except RenderingStopped:
            raise
        except Exception:
            # Callers see a failed generation; the log has the cause.
            _log.exception("could not render %s", plan)
            raise
        finally:
            source.unlink(missing_ok=True)
        return unfinished.rename(finished)

    def cancel_unfinished(self) -> None:
        """Cancels the renders that have not ended, so that the next ones need not wait for them."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            for key in [key for key, file in self._files.items() if not file.done()]:
                self._files.pop(key).cancel()

    def close(self) -> None:
        """Stops rendering at the next frame and removes all files."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._directory.cleanup()
