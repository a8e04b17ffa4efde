"""The upload of a planned draft, in a thread of its own: no page has to stay open for it."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel_cli.aws_errors import explain
from dropreel_cli.drop_output import describe_uploaded
from dropreel_cli.uploading import FailedUpload, Uploader

if TYPE_CHECKING:
    from collections.abc import Callable

    from dropreel_cli.planning import PlannedImage
    from dropreel_cli.web.drafts import PlannedDraft


class DraftUpload:
    """Uploads a plan once, when it is created. `on_end` is called in its thread. All numbers can be read at any time."""

    def __init__(self, planned: PlannedDraft, on_end: Callable[[DraftUpload], None] = lambda _: None) -> None:
        self.token, self.request = planned.token, planned.request
        self.planned = planned.files.plan.to_drop
        self.total = len(self.planned)
        self.total_bytes = sum(image.size or 0 for image in self.planned)
        self.uploaded, self.bytes, self.cents = 0, 0, 0
        self.done: set[str] = set()
        """The paths of the files that were uploaded."""
        self.failed: list[FailedUpload] = []
        self.error = ""
        """Why it ended before all images were tried; empty where it did not."""
        self.is_running = True
        self._on_end = on_end
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._uploader = Uploader.of(
            planned.stack,
            planned.files,
            planned.request.wanted,
            on_bytes=self._add_bytes,
            on_upload=self._add,
            advice="try again",
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_whole(self) -> bool:
        """Whether it has ended and every image was uploaded."""
        return not self.is_running and self.uploaded == self.total

    @property
    def sentence(self) -> str:
        """What an upload that ended early has uploaded."""
        return describe_uploaded(self.uploaded, self.total, self.cents)

    def stop(self) -> None:
        """Begin nothing else; what has begun ends."""
        self._stopping.set()
        self._uploader.stop()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with closing(self._uploader.upload(self.planned)) as results:
                for result in results:
                    if isinstance(result, FailedUpload):
                        self.failed.append(result)
                    if self._stopping.is_set():
                        self.error = "The board was ended."
                        break
        except (BotoCoreError, ClientError) as error:
            self.error = explain(error)
        except Exception as error:  # the page must say that the upload has ended
            self.error = f"The upload ended with a fault of the board: {type(error).__name__}: {error}"
        finally:
            self.is_running = False
            self._on_end(self)

    def _add_bytes(self, number: int) -> None:
        with self._lock:
            self.bytes += number

    def _add(self, image: PlannedImage) -> None:
        with self._lock:
            self.uploaded += 1
            self.done.add(image.path)
            self.cents += image.cents
