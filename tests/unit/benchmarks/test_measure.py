import sys

import pytest

from benchmarks.loopback import VIDEO_SECONDS, head_of_video
from benchmarks.measure import CommandFailed, interleaved, ratios, rounded, run_command, spread, target
from benchmarks.startup import imports_from, whose
from dropreel.media.videos import BoxWalker

MEBIBYTE = 1024 * 1024


def test_a_spread_keeps_the_middle_and_both_ends():
    assert spread([3.0, 1.0, 10.0]) == {"median": 3.0, "min": 1.0, "max": 10.0}


def test_ratios_are_taken_pair_by_pair():
    # The machine was slow in the second pair: the ratio of each pair is the same nevertheless.
    assert ratios([1.0, 10.0], [2.0, 20.0]) == {"median": 0.5, "min": 0.5, "max": 0.5}


def test_ratios_need_as_many_of_one_side_as_of_the_other():
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("value", "expected"), [(123456.0, 123500.0), (0.00123456, 0.001235), (0.0, 0.0)])
def test_four_digits_are_kept(value, expected):
    assert rounded(value) == expected


@pytest.mark.parametrize(
    ("limits", "met"),
    [
        ({"at_least": 1.2}, True),
        ({"at_least": 1.3}, False),
        ({"at_most": 1.2}, True),
        ({"at_most": 1.1}, False),
        ({"at_least": 1.0, "at_most": 1.1}, False),
    ],
)
def test_a_target_says_whether_it_is_met(limits, met):
    assert target("speed", 1.2, **limits) == {"what": "speed", "value": 1.2, **limits, "met": met}


def test_sides_run_in_turn():
    order = []
    sides = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}

    found = interleaved(sides, 2, lambda run, side: order.append(f"{side}{run}"))

    assert order == ["a1", "a", "b1", "b", "b2", "b", "a2", "a"]
    assert found == {"a": [None, None], "b": [None, None]}


def test_a_command_is_measured_without_the_memory_of_who_runs_it():
    mine = b"x" * (200 * MEBIBYTE)

    small = run_command([sys.executable, "-c", "print('here')"])
    large = run_command([sys.executable, "-c", f"b'x' * {100 * MEBIBYTE}"])

    assert small.output == "here\n"
    assert small.wall_seconds > 0
    assert small.cpu_seconds > 0
    assert small.peak_bytes < 50 * MEBIBYTE < len(mine)
    assert large.peak_bytes > 100 * MEBIBYTE


def test_a_command_that_fails_says_why():
    with pytest.raises(CommandFailed, match=r"status 3:\nno such video"):
        run_command([sys.executable, "-c", "import sys; sys.stderr.write('no such video'); sys.exit(3)"])


def test_the_made_up_video_is_one_that_the_deliverer_takes():
    size = 10_000
    head = head_of_video(size)
    walker = BoxWalker()

    walker.feed(head + bytes(size - len(head)))
    walker.finish()

    assert walker.facts.duration_seconds == VIDEO_SECONDS


def test_imports_are_told_by_module_and_by_package():
    log = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       500 |        500 |     urllib3.util\n"
        "import time:      1000 |       1500 |   urllib3\n"
        "import time:       250 |       1750 | dropreel.wiring\n"
        "a warning between them\n"
    )

    found = imports_from(log)

    assert found["modules"] == 3
    assert found["slowest_cumulative"][0] == {"module": "dropreel.wiring", "whose": "ours", "milliseconds": 1.75}
    assert found["packages_own"] == {"urllib3": 1.5, "dropreel": 0.25}


@pytest.mark.parametrize(
    ("module", "expected"),
    [("handler", "ours"), ("dropreel.domain.job", "ours"), ("http.client", "python"), ("boto3", "third party")],
)
def test_a_module_is_known_by_its_root(module, expected):
    assert whose(module) == expected
