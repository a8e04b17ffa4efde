"""The recording of a terminal shows what its screen shows at the end, in a picture that is small and needs no network."""

import re

import pytest

from docs.record_terminal import MAX_BYTES, SCRIPT, picture_of, screen_of
from dropreel_cli.app import GROUPS

NAMES = {name for names in GROUPS.values() for name in names}


@pytest.mark.parametrize(
    ("output", "screen"),
    [
        ("one\r\ntwo\r\n", "one\ntwo"),
        ("10%\r50%\rdone\r\n", "done"),
        ("waiting\r\x1b[2Kdone\r\n", "done"),
        ("a\r\nb\r\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Kc\r\n", "c"),
        ("\x1b[?25l\x1b[32mgreen\x1b[0m\x1b[?25h", "\x1b[32mgreen\x1b[0m"),
        ("line\r\r\nnext", "line\nnext"),
    ],
)
def test_what_was_written_over_is_left_out(output: str, screen: str) -> None:
    assert screen_of(output) == screen


def test_the_picture_has_the_commands_and_their_colors_and_is_small() -> None:
    picture = picture_of([("dropreel jobs --local", "\x1b[32mcompleted\x1b[0m  beach.jpg")])

    assert "dropreel&#160;jobs&#160;--local" in picture
    assert "completed" in picture
    assert "<script" not in picture
    assert "url(http" not in picture.replace('"', "")
    assert "monospace" in picture
    assert len(picture.encode()) < MAX_BYTES


def test_the_recorded_commands_are_commands() -> None:
    assert {re.split(r"\s+", line)[1] for line in SCRIPT} <= NAMES
