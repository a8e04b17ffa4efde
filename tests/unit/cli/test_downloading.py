"""Downloads of videos: safe names, whole files, and nothing replaced."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from dropreel_cli.downloading import download_video, local_path
from tests.support.sample_jobs import VIDEO, job_with

CONTENT = b"a whole video"


class Videos:
    """A bucket in which every key has the same video."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.gets = 0

    def get_object(self, **_: Any) -> dict[str, Any]:
        self.gets += 1
        return {"Body": io.BytesIO(self.content)}


def job_of(key: str = "holiday/beach-1.mp4") -> Any:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return job_with(video=VIDEO._replace(key=key, size=len(CONTENT), sha256=sha256))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a.mp4", "a.mp4"),
        ("x/ü/a.mp4", "x/ü/a.mp4"),
        ("/etc/passwd", "etc/passwd"),
        ("../../a.mp4", "a.mp4"),
        ("x/./..//a.mp4", "x/a.mp4"),
        ("..\\..\\a.mp4", ".._.._a.mp4"),
        ("c:\\a\n\x1b[31m.mp4", "c__a__[31m.mp4"),
        ("con.mp4", "_con.mp4"),
        ("..", "video.mp4"),
        ("n" * 400 + ".mp4", "n" * 226 + ".mp4"),
        ("日" * 200 + ".mp4", "日" * 75 + ".mp4"),
    ],
)
def test_a_key_never_leads_out_of_the_folder(key: str, expected: str) -> None:
    assert local_path(Path("out"), key) == Path("out", expected)


def test_a_video_is_downloaded_under_the_folders_of_its_key(tmp_path: Path) -> None:
    done = download_video(Videos(), job_of(), tmp_path / "new")

    assert done.path == tmp_path / "new" / "holiday" / "beach-1.mp4"
    assert done.path.read_bytes() == CONTENT
    assert list(done.path.parent.iterdir()) == [done.path]


def test_the_same_video_stays_and_another_file_is_not_replaced(tmp_path: Path) -> None:
    videos = Videos()
    (tmp_path / "a.mp4").write_bytes(b"mine")

    first = download_video(videos, job_of("a.mp4"), tmp_path)
    second = download_video(videos, job_of("a.mp4"), tmp_path)

    assert (tmp_path / "a.mp4").read_bytes() == b"mine"
    assert first.path == second.path == tmp_path / "a-2.mp4"
    assert second.message == "it was there already"
    assert videos.gets == 1


def test_a_cut_download_leaves_no_file(tmp_path: Path) -> None:
    done = download_video(Videos(CONTENT[:3]), job_of("a.mp4"), tmp_path)

    assert done.path is None
    assert "run the same command again" in (done.message or "")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    done = download_video(Videos(), job_of("a.mp4"), tmp_path / "file")

    assert done.path is None
    assert "could not be written" in (done.message or "")
