"""The packaged videos of rehearsals."""

import io

import av
import pytest

from dropreel.adapters.rehearsal_videos import FOLDER, RehearsalVideos
from dropreel.domain.errors import VideoFault
from dropreel.provider.rehearsal import VIDEO_NAMES

MAX_BYTES_IN_ALL = 60_000
"""Every function carries them in its layer."""
RATIOS = {"16x9": 16 / 9, "9x16": 9 / 16, "1x1": 1.0}


def test_there_is_a_video_for_all_options_and_all_are_small():
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.mp4" for name in VIDEO_NAMES}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MAX_BYTES_IN_ALL


@pytest.mark.parametrize("name", sorted(VIDEO_NAMES))
def test_a_video_is_what_was_asked_for(name):
    shape, seconds, track = name.split("-")

    with RehearsalVideos(10**9).open(f"rehearsal:{name}") as stream:
        content = stream.read()

    assert stream.facts.duration_seconds == int(seconds)
    assert stream.facts.width is not None
    assert stream.facts.height is not None
    assert stream.facts.width / stream.facts.height == pytest.approx(RATIOS[shape], abs=0.01)
    assert stream.warnings == ()
    with av.open(io.BytesIO(content)) as video:
        codecs = [one.codec_context.name for one in video.streams]
        frames = list(video.decode(video=0))
    assert codecs == (["h264", "aac"] if track == "sound" else ["h264"])
    assert all(frame.to_ndarray(format="gray").max() > 200 for frame in frames)  # the text is on every frame


@pytest.mark.parametrize(
    "url", ["rehearsal:../../../settings", "rehearsal:", "https://cdn.example/a.mp4", "16x9-5-sound", ""]
)
def test_nothing_else_is_opened(url):
    with pytest.raises(VideoFault), RehearsalVideos(10**9).open(url):
        pass


def test_the_largest_size_holds_for_a_rehearsal_too():
    with (
        RehearsalVideos(100).open("rehearsal:16x9-5-sound") as stream,
        pytest.raises(VideoFault, match="MaxVideoBytes"),
    ):
        stream.read()
