"""The videos of rehearsals: real MP4 files in the package that say on every frame that they are a rehearsal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dropreel.domain.errors import VideoFault
from dropreel.media.video_stream import VideoStream
from dropreel.provider.rehearsal import RESULT_SCHEME, VIDEO_NAMES

FOLDER = Path(__file__).resolve().parents[1] / "provider" / "rehearsal_videos"


class RehearsalVideos:
    """Opens the `result.url` of a rehearsal. Nothing is downloaded."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes

    @contextmanager
    def open(self, result_url: str) -> Iterator[VideoStream]:
        """Yield a packaged video as a stream. Raises VideoFault for anything but a name of one."""
        scheme, name = result_url[: len(RESULT_SCHEME)], result_url[len(RESULT_SCHEME) :]
        if scheme != RESULT_SCHEME or name not in VIDEO_NAMES:
            raise VideoFault("result.url is not that of a rehearsal")
        content = (FOLDER / f"{name}.mp4").read_bytes()
        yield VideoStream(iter((content,)), self.max_bytes, len(content))
