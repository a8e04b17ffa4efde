"""The fields of a submission, and how wrong ones are refused."""

import json
from typing import Any

import pytest

from local.provider_simulator.contract import Refusal, check_request, read_json

from .provider_caller import ProviderCaller

MINIMAL = {"prompt": "zoom in", "image_url": "https://images.example/cat.png"}


def test_left_out_fields_take_the_documented_defaults() -> None:
    request = check_request(MINIMAL)

    assert (request.mode, request.aspect_ratio, request.seconds, request.cfg_scale) == ("fast", "16:9", 5, 0.5)
    assert request.sound is True
    assert request.negative_prompt == ""


@pytest.mark.parametrize(
    ("mode", "duration", "cents"),
    [("fast", 5, 47), ("fast", 10, 94), ("hq", 5, 94), ("hq", 10, 187), ("fast", 5.0, 47), ("hq", 10.0, 187)],
)
def test_the_price_follows_mode_and_duration(mode: str, duration: float, cents: int) -> None:
    assert check_request({**MINIMAL, "mode": mode, "duration": duration}).price_cents == cents


@pytest.mark.parametrize("cfg_scale", [0, 1, 0.0, 1.0, 0.25])
def test_the_guidance_scale_may_be_anything_from_0_to_1(cfg_scale: float) -> None:
    assert check_request({**MINIMAL, "cfg_scale": cfg_scale}).cfg_scale == cfg_scale


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("prompt", "", "not empty"),
        ("prompt", " \n", "not empty"),
        ("prompt", 7, "a string"),
        ("prompt", None, "a string"),
        ("image_url", "cat.png", "absolute http or https"),
        ("image_url", "ftp://images.example/cat.png", "absolute http or https"),
        ("image_url", "https://[", "absolute http or https"),
        ("image_url", None, "absolute http or https"),
        ("mode", "FAST", '"fast" or "hq"'),
        ("mode", None, '"fast" or "hq"'),
        ("negative_prompt", None, "a string"),
        ("negative_prompt", ["blur"], "a string"),
        ("aspect_ratio", "auto", '"16:9", "9:16" or "1:1"'),
        ("aspect_ratio", "4:3", '"16:9", "9:16" or "1:1"'),
        ("duration", "5", "5 or 10"),
        ("duration", 7, "5 or 10"),
        ("duration", 5.5, "5 or 10"),
        ("duration", True, "5 or 10"),
        ("duration", 10**400, "5 or 10"),
        ("cfg_scale", 1.01, "from 0 to 1"),
        ("cfg_scale", -0.1, "from 0 to 1"),
        ("cfg_scale", True, "from 0 to 1"),
        ("cfg_scale", "0.5", "from 0 to 1"),
        ("cfg_scale", None, "from 0 to 1"),
        ("sound", "true", "true or false"),
        ("sound", 1, "true or false"),
        ("sound", None, "true or false"),
    ],
)
def test_a_wrong_field_is_refused_by_name_value_and_what_is_allowed(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_request({**MINIMAL, field: value})

    assert refused.value.status == 400
    assert field in refused.value.message
    assert json.dumps(value)[:100] in refused.value.message
    assert allowed in refused.value.message


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(Refusal, match=r"mode .*; sound .*; \"seed\" is not a field"):
        check_request({**MINIMAL, "mode": "slow", "sound": 1, "seed": 3})


def test_a_missing_prompt_is_refused() -> None:
    with pytest.raises(Refusal, match="prompt is missing"):
        check_request({"image_url": MINIMAL["image_url"]})


def test_a_missing_image_is_refused_as_only_image_to_video_works() -> None:
    with pytest.raises(Refusal, match="image-to-video only"):
        check_request({"prompt": "zoom in"})


def test_a_wrong_image_address_is_quoted_without_its_query() -> None:
    with pytest.raises(Refusal) as refused:
        check_request({**MINIMAL, "image_url": "ftp://images.example/cat.png?X-Amz-Signature=secret"})

    assert "ftp://images.example/cat.png" in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "{", "", '"\\ud800"', "\xff", "[" * 100_000])
def test_a_body_that_is_not_json_with_finite_numbers_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="finite numbers"):
        read_json(text.encode("latin-1"))


@pytest.mark.parametrize("document", [[], "zoom in", None, 5])
def test_a_body_that_is_not_an_object_is_refused(document: Any) -> None:
    with pytest.raises(Refusal, match="JSON object"):
        check_request(document)


def test_a_refusal_answers_400_with_an_error_object(provider: ProviderCaller) -> None:
    answer = provider.submit(duration=7)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert "duration is 7; it must be the number 5 or 10" in answer.json()["error"]["message"]


def test_a_body_that_is_not_declared_as_json_is_refused(provider: ProviderCaller) -> None:
    body = json.dumps({"prompt": "zoom in", "image_url": provider.image_url}).encode()

    assert provider.submit_body(body, "text/plain").status_code == 400
    assert provider.submit_body(body, "application/json; charset=utf-8").status_code == 200
