import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.domain.option_places import MAX_PROMPT_CHARACTERS, Fault, Place, Resolved, resolve
from dropreel.domain.options import ASPECT_RATIOS, OPTION_NAMES, Options
from dropreel.domain.reasons import Reason, ReasonCode

STACK = {
    "prompt": "a slow push in",
    "mode": "fast",
    "negative_prompt": "",
    "aspect_ratio": "auto",
    "duration": "5",
    "cfg_scale": "0.5",
    "sound": "true",
}
DEFAULTS = Place("stack parameters", STACK, is_text=True)

# --- each option, alone ----------------------------------------------------------------------------------------------

GOOD_IN_BOTH = [
    ("prompt", "waves roll in", "waves roll in"),
    ("prompt", "  waves  ", "waves"),
    ("prompt", "Wellen – 海 🌊", "Wellen – 海 🌊"),
    ("prompt", "x" * MAX_PROMPT_CHARACTERS, "x" * MAX_PROMPT_CHARACTERS),
    ("negative_prompt", "", ""),
    ("negative_prompt", "   ", ""),
    ("negative_prompt", "blur", "blur"),
    ("mode", "fast", "fast"),
    ("mode", "hq", "hq"),
    *[("aspect_ratio", ratio, ratio) for ratio in ("16:9", "9:16", "1:1", "auto")],
]
GOOD_TEXT = [
    *GOOD_IN_BOTH,
    ("duration", "5", 5),
    ("duration", "10", 10),
    ("duration", "5.0", 5),
    ("duration", " 10 ", 10),
    ("cfg_scale", "0", 0.0),
    ("cfg_scale", "1", 1.0),
    ("cfg_scale", "1.0", 1.0),
    ("cfg_scale", "0.25", 0.25),
    ("cfg_scale", ".5", 0.5),
    *[("sound", text, True) for text in ("true", "True", "TRUE", " true ")],
    *[("sound", text, False) for text in ("false", "False", "FALSE")],
]
GOOD_JSON = [
    *GOOD_IN_BOTH,
    ("duration", 5, 5),
    ("duration", 10, 10),
    ("duration", 5.0, 5),
    ("cfg_scale", 0, 0.0),
    ("cfg_scale", 1, 1.0),
    ("cfg_scale", 0.25, 0.25),
    ("sound", True, True),
    ("sound", False, False),
]
BAD_IN_BOTH = [
    ("prompt", ""),
    ("prompt", " \u00a0 "),
    ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
    ("prompt", "two\nlines"),
    ("prompt", "nul\x00"),
    ("prompt", "bell\x07"),
    ("prompt", "next line\x85"),
    ("prompt", "half \ud83d"),
    ("negative_prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
    ("negative_prompt", "tab\there"),
    ("mode", ""),
    ("mode", "HQ"),
    ("mode", "slow"),
    ("aspect_ratio", ""),
    ("aspect_ratio", "4:3"),
    ("aspect_ratio", "16x9"),
    ("aspect_ratio", "AUTO"),
    ("sound", ""),
    ("sound", "yes"),
    ("sound", "1"),
    ("duration", ""),
    ("duration", "five"),
    ("cfg_scale", "half"),
]
BAD_TEXT = [
    *BAD_IN_BOTH,
    *[
        ("duration", text)
        for text in ("7", "0", "-5", "5s", "5.5", "10.01", "1e1", "inf", "nan", "0x5", "٥", "5_0", "+5")
    ],
    *[("cfg_scale", text) for text in ("1.1", "-0.1", "0,5", "1e-1", "nan", "inf", ".", "1.", "1.0000000001")],
    *[("duration", text) for text in ("\x1c5", "5\x1d", "\x1e5\x1f")],
    ("cfg_scale", "\x1f0.5"),
]
BAD_JSON = [
    *BAD_IN_BOTH,
    *[(name, value) for name in OPTION_NAMES for value in (None, [], {}, ["fast"], {"value": 5})],
    *[(name, value) for name in ("prompt", "negative_prompt", "mode", "aspect_ratio") for value in (5, 0.5, True)],
    *[("duration", value) for value in ("5", 7, 0, -5, 5.5, True, 10**400, float("inf"), float("nan"))],
    *[("cfg_scale", value) for value in ("0.5", 1.1, -0.1, True, False, 10**400, float("nan"), float("-inf"))],
    *[("sound", value) for value in (0, 1, "true", "false")],
]


def resolved_from(*places: Place) -> Resolved:
    resolved = resolve(places)
    assert isinstance(resolved, Resolved), resolved
    return resolved


def faults_of(*places: Place) -> list[Fault]:
    faults = resolve(places)
    assert isinstance(faults, list), faults
    return faults


@pytest.mark.parametrize(("name", "text", "value"), GOOD_TEXT)
def test_a_valid_text_is_read(name, text, value):
    resolved = resolved_from(Place("S3 metadata", {name: text}, is_text=True), DEFAULTS)

    found = getattr(resolved.options, name)
    assert (found, type(found)) == (value, type(value))
    assert resolved.sources[name] == "S3 metadata"


@pytest.mark.parametrize(("name", "raw", "value"), GOOD_JSON)
def test_a_valid_json_value_is_read(name, raw, value):
    resolved = resolved_from(Place("sidecar", {name: raw}), DEFAULTS)

    found = getattr(resolved.options, name)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("name", "text"), BAD_TEXT)
def test_an_invalid_text_is_one_fault_with_its_place_and_option(name, text):
    (fault,) = faults_of(Place("S3 metadata", {name: text}, is_text=True), DEFAULTS)

    assert (fault.place, fault.option) == ("S3 metadata", name)
    assert fault.message.startswith(f"{name} is ")


@pytest.mark.parametrize(("name", "raw"), BAD_JSON)
def test_an_invalid_json_value_is_one_fault_with_its_place_and_option(name, raw):
    (fault,) = faults_of(Place("sidecar", {name: raw}), DEFAULTS)

    assert (fault.place, fault.option) == ("sidecar", name)
    assert fault.message.startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("name", "raw", "allowed"),
    [
        ("mode", "slow", ["fast", "hq"]),
        ("aspect_ratio", "4:3", ["16:9", "9:16", "1:1", "auto"]),
        ("duration", 7, ["5", "10", "seconds"]),
        ("duration", "5", ["number", "5", "10"]),
        ("cfg_scale", 2, ["0 to 1"]),
        ("sound", "true", ["true", "false", "without quotes"]),
        ("prompt", "", ["must not be empty"]),
        ("prompt", "x" * 2501, ["2,501", "2,500"]),
        ("prompt", "a\nb", ["U+000A", "one line"]),
    ],
)
def test_a_fault_has_the_allowed_values(name, raw, allowed):
    (fault,) = faults_of(Place("sidecar", {name: raw}), DEFAULTS)

    assert [words for words in allowed if words not in fault.message] == []


def test_a_fault_has_the_invalid_value():
    (fault,) = faults_of(Place("sidecar", {"duration": 7}), DEFAULTS)

    assert fault.message.startswith("duration is 7;")


@pytest.mark.parametrize("raw", ["x" * 100_000, ["x"] * 50_000, 10**4000])
def test_a_long_value_is_cut_where_it_is_shown(raw):
    (fault,) = faults_of(Place("sidecar", {"mode": raw}), DEFAULTS)

    assert len(fault.message) < 200


def test_an_unprintable_value_is_escaped():
    (fault,) = faults_of(Place("sidecar", {"prompt": "a\n\ud83d"}), DEFAULTS)

    assert fault.message.isprintable()


@pytest.mark.parametrize(("wrong", "right"), [("FAST", "fast"), ("fas", "fast"), ("Hq", "hq")])
def test_a_near_value_is_suggested(wrong, right):
    (fault,) = faults_of(Place("sidecar", {"mode": wrong}), DEFAULTS)

    assert f"did you mean {right}?" in fault.message


def test_no_value_is_suggested_for_a_distant_one():
    (fault,) = faults_of(Place("sidecar", {"mode": "zzz"}), DEFAULTS)

    assert "did you mean" not in fault.message


# --- unknown names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("promt", "prompt"),
        ("negative-prompt", "negative_prompt"),
        ("Duration", "duration"),
        ("aspectratio", "aspect_ratio"),
        ("cfg_scal", "cfg_scale"),
        ("sounds", "sound"),
    ],
)
def test_a_misspelt_name_is_a_fault_with_the_nearest_name(wrong, right):
    (fault,) = faults_of(Place("sidecar", {wrong: "x"}), DEFAULTS)

    assert fault.option == wrong
    assert f"did you mean {right}?" in fault.message


def test_an_unknown_name_is_a_fault_with_the_allowed_names():
    (fault,) = faults_of(Place("sidecar", {"zzzz": 1}), DEFAULTS)

    assert "did you mean" not in fault.message
    assert "; allowed are prompt, mode, " in fault.message


def test_every_option_is_listed_for_an_unknown_name():
    (fault,) = faults_of(Place("sidecar", {"zzzz": 1}), DEFAULTS)

    assert [name for name in OPTION_NAMES if name not in fault.message] == []


def test_s3_metadata_can_have_unknown_names():
    metadata = Place("S3 metadata", {"camera": "x100", "mode": "hq"}, is_text=True, refuses_unknown=False)

    assert resolved_from(metadata, DEFAULTS).options.mode == "hq"


# --- places together -------------------------------------------------------------------------------------------------


def test_the_stack_parameters_alone_are_complete():
    resolved = resolved_from(DEFAULTS)

    assert resolved.options == Options("a slow push in", "fast", "", "auto", 5, 0.5, True)
    assert resolved.sources == dict.fromkeys(OPTION_NAMES, "stack parameters")


def test_the_most_specific_place_wins():
    resolved = resolved_from(
        Place("request", {"mode": "hq"}),
        Place("S3 metadata", {"mode": "fast", "duration": "10"}, is_text=True),
        Place("sidecar", {"duration": 5, "sound": False}),
        DEFAULTS,
    )

    assert (resolved.options.mode, resolved.options.duration, resolved.options.sound) == ("hq", 10, False)
    assert resolved.sources == {
        **dict.fromkeys(OPTION_NAMES, "stack parameters"),
        "mode": "request",
        "duration": "S3 metadata",
        "sound": "sidecar",
    }


def test_an_empty_negative_prompt_overrides_a_less_specific_one():
    folder = Place("folder", {"negative_prompt": "blur"})

    assert resolved_from(Place("sidecar", {"negative_prompt": ""}), folder, DEFAULTS).options.negative_prompt == ""


def test_false_and_zero_override_like_any_value():
    resolved = resolved_from(Place("sidecar", {"sound": False, "cfg_scale": 0}), DEFAULTS)

    assert (resolved.options.sound, resolved.options.cfg_scale) == (False, 0.0)


def test_every_fault_of_every_place_is_returned():
    faults = faults_of(
        Place("request", {"mode": "slow", "colour": "red"}),
        Place("sidecar", {"duration": 7, "sound": 1}),
        DEFAULTS,
    )

    assert [(fault.place, fault.option) for fault in faults] == [
        ("request", "mode"),
        ("request", "colour"),
        ("sidecar", "duration"),
        ("sidecar", "sound"),
    ]


def test_a_fault_counts_even_where_a_more_specific_place_has_the_option():
    (fault,) = faults_of(Place("request", {"mode": "hq"}), Place("sidecar", {"mode": "slow"}), DEFAULTS)

    assert fault.place == "sidecar"


def test_options_that_no_place_has_are_faults():
    faults = faults_of(Place("sidecar", {"prompt": "x", "mode": "hq", "sound": True, "duration": 5}))

    assert [fault.option for fault in faults] == ["negative_prompt", "aspect_ratio", "cfg_scale"]


NAMES = st.sampled_from(OPTION_NAMES) | st.text(max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["fast", "hq", "auto", "16:9", 5, 10, 0.5, 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def assert_within_the_providers_ranges(options: Options) -> None:
    assert options.prompt.strip()
    assert len(options.prompt) <= MAX_PROMPT_CHARACTERS
    assert len(options.negative_prompt) <= MAX_PROMPT_CHARACTERS
    assert options.mode in ("fast", "hq")
    assert options.aspect_ratio in ("16:9", "9:16", "1:1", "auto")
    assert options.duration in (5, 10)
    assert 0 <= options.cfg_scale <= 1
    assert type(options.sound) is bool
    json.dumps(options._asdict(), allow_nan=False).encode()


@settings(max_examples=120, deadline=None)
@given(st.lists(st.dictionaries(NAMES, JSON, max_size=5), max_size=3))
def test_any_json_value_gives_complete_options_or_faults(values):
    resolved = resolve([*(Place(str(number), value) for number, value in enumerate(values)), DEFAULTS])

    if isinstance(resolved, Resolved):
        assert_within_the_providers_ranges(resolved.options)
    else:
        assert resolved


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(OPTION_NAMES), st.text(max_size=12) | st.from_regex(r"\s?[0-9.]{1,4}\s?")))
def test_any_text_gives_complete_options_or_faults(values):
    resolved = resolve([Place("S3 metadata", values, is_text=True), DEFAULTS])

    if isinstance(resolved, Resolved):
        assert_within_the_providers_ranges(resolved.options)
    else:
        assert {fault.option for fault in resolved} <= set(values)


VALID: dict[str, st.SearchStrategy[Any]] = {
    "prompt": st.sampled_from(["one", "two", "three"]),
    "mode": st.sampled_from(["fast", "hq"]),
    "negative_prompt": st.sampled_from(["", "blur"]),
    "aspect_ratio": st.sampled_from([*ASPECT_RATIOS, "auto"]),
    "duration": st.sampled_from([5, 10]),
    "cfg_scale": st.floats(0, 1),
    "sound": st.booleans(),
}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=VALID), max_size=4))
def test_each_option_comes_from_the_first_place_that_has_it(values):
    places = [*(Place(str(number), value) for number, value in enumerate(values)), DEFAULTS]

    resolved = resolved_from(*places)

    for name in OPTION_NAMES:
        first = next(place for place in places if name in place.values)
        assert resolved.sources[name] == first.name
        found = getattr(resolved.options, name)
        assert first is DEFAULTS or found == (
            pytest.approx(first.values[name], abs=1e-9) if name == "cfg_scale" else first.values[name]
        )


@pytest.mark.parametrize(
    ("asked", "scale"), [(0.1234567891234, 0.123456789), (5e-324, 0), (1 / 3, 0.333333333), (1, 1)]
)
def test_a_scale_is_kept_to_nine_decimals(asked, scale):
    assert resolved_from(Place("request", {"cfg_scale": asked}), DEFAULTS).options.cfg_scale == scale


# --- secrets ---------------------------------------------------------------------------------------------------------

SIGNED = "https://a.s3.amazonaws.com/b.jpg?X-Amz-Credential=AKIAQ7XK2MPLR5VN3TBC&X-Amz-Signature=" + "5ec2e7f0" * 8


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("is_text", [False, True])
@pytest.mark.parametrize("value", [f"like {SIGNED}", SIGNED.replace("&", "\\u0026"), SIGNED.partition("?")[2].lower()])
def test_a_signed_url_in_a_prompt_is_a_fault_that_does_not_repeat_it(name, is_text, value):
    faults = resolve([Place("request", {name: value}, is_text=is_text), DEFAULTS])

    assert isinstance(faults, list)
    (fault,) = faults
    assert "contains a signed URL" in fault.message
    assert "5ec2e7f0" not in Reason(ReasonCode.OPTIONS_INVALID, fault.message).message


@pytest.mark.parametrize(
    "value", ["see https://example.com/a?b=c", "her signature: a red hat", "token=gold, 50% off & more"]
)
def test_any_other_url_or_word_is_a_valid_prompt(value):
    resolved = resolve([Place("request", {"prompt": value}), DEFAULTS])

    assert isinstance(resolved, Resolved)
    assert resolved.options.prompt == value
