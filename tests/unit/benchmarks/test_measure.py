"""How commands are measured, and how values become figures."""

import sys
from functools import partial

import pytest

from benchmarks.local_account import logical_name
from benchmarks.measure import MEBIBYTE, CommandFailed, interleaved, ratios, rounded, run_command, spread
from benchmarks.tables import Target
from benchmarks.video_server import VIDEO_SECONDS, head_of_video
from dropreel.media.mp4 import BoxWalker


def test_values_become_a_spread_of_four_digits():
    assert spread([3.0, 1.0, 10.0]) == {"median": 3.0, "min": 1.0, "max": 10.0}
    assert [rounded(value) for value in (123456.0, 0.00123456, 0.0)] == [123500.0, 0.001235, 0.0]


def test_ratios_are_taken_pair_by_pair():
    # The machine was slow in the second pair: the ratio of each pair is the same nevertheless.
    assert ratios([1.0, 10.0], [2.0, 20.0]) == {"median": 0.5, "min": 0.5, "max": 0.5}
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_target_is_met_up_to_its_limit():
    assert [Target("speed", 1.2, at_least=limit).met for limit in (1.2, 1.3)] == [True, False]
    assert [Target("time", 1.2, at_most=limit).met for limit in (1.2, 1.1)] == [True, False]


def test_sides_run_in_turn():
    order: list[str] = []

    def measure(side: str) -> int:
        order.append(side)
        return len(order)

    assert interleaved({side: partial(measure, side) for side in "ab"}, 2) == {"a": [1, 4], "b": [2, 3]}
    assert order == ["a", "b", "b", "a"]


def test_a_command_is_measured_without_the_memory_of_its_caller():
    mine = b"x" * (200 * MEBIBYTE)

    small = run_command([sys.executable, "-c", "print('here')"])
    large = run_command([sys.executable, "-c", f"b'x' * {100 * MEBIBYTE}"])

    assert small.output == "here\n"
    assert min(small.wall_seconds, small.cpu_seconds) > 0
    assert small.peak_bytes < 50 * MEBIBYTE < len(mine)
    assert large.peak_bytes > 100 * MEBIBYTE


def test_a_command_that_fails_says_why():
    with pytest.raises(CommandFailed, match=r"status 3:\nno such video"):
        run_command([sys.executable, "-c", "import sys; sys.stderr.write('no such video'); sys.exit(3)"])


def test_the_deliverer_accepts_the_made_up_video():
    size = 10_000
    head = head_of_video(size)
    walker = BoxWalker()

    walker.feed(head + bytes(size - len(head)))
    walker.finish()

    assert walker.facts.duration_seconds == VIDEO_SECONDS


def test_a_function_has_its_name_in_the_template():
    assert logical_name("dropreel-local-CheckStatusFunction-4DA685F26B5C2") == "CheckStatus"
