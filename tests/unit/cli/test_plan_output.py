"""What a plan says below its table."""

from dropreel.domain.option_places import STACK_PARAMETERS
from dropreel.domain.spending import SpendLimit
from dropreel_cli.plan_output import summary_lines
from dropreel_cli.planning import Plan, PlannedImage, Verdict


def planned(key: str, mode: str, mode_source: str, ratio: str) -> PlannedImage:
    options = {"mode": mode, "aspect_ratio": ratio, "negative_prompt": "", "sound": True}
    sources = {**dict.fromkeys(options, STACK_PARAMETERS), "mode": mode_source}
    return PlannedImage(key, Verdict.SUBMITTED, options=options, sources=sources, cents=47)


def lines(*images: PlannedImage) -> list[str]:
    return list(summary_lines(Plan(SpendLimit(5000), 0, 2, list(images))))


def test_the_defaults_are_said_with_their_values_and_place() -> None:
    found = lines(planned("a.jpg", "fast", STACK_PARAMETERS, "16:9"), planned("b.jpg", "hq", "command line", "1:1"))

    assert found == [
        "2 submitted unchanged",
        "$0.94 for 2 videos; up to $1.88 if generations fail (MaxAttempts 2)",
        "defaults: mode=fast aspect_ratio=16:9/1:1 sound=true (stack parameters)",
        "daily limit $50.00, $0.00 of it reserved today: all fit today",
    ]


def test_what_is_refused_has_no_defaults() -> None:
    assert lines(PlannedImage("a.jpg", Verdict.REFUSED, "It is text.")) == ["1 refused"]
