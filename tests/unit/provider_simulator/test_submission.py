"""Submitting: what is answered, recorded and charged."""

import hashlib
import re
from datetime import datetime

import pytest
import requests

from local.provider_simulator.process import RunningSimulator

from .image_host import ImageHost
from .pictures import encoded, textured_picture
from .provider_caller import KEY, ProviderCaller


def test_a_submission_is_answered_as_documented(provider: ProviderCaller) -> None:
    answer = provider.submit()

    assert answer.status_code == 200
    generation_id = answer.json()["id"]
    assert re.fullmatch(r"gen_img2v_[a-z0-9]{10}", generation_id)
    assert answer.json() == {
        "id": generation_id,
        "model": "nohuman-x33",
        "status": "created",
        "poll_url": f"/v1/videos/generations/{generation_id}",
    }


@pytest.mark.parametrize("authorization", [None, "", KEY, f"Basic {KEY}", "Bearer ", "Bearer other"])
def test_a_wrong_key_is_answered_with_401(
    simulator: RunningSimulator, image_url: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization is not None else {}
    body = {"prompt": "zoom in", "image_url": image_url}

    submitted = requests.post(f"{simulator.base_url}/v1/videos/generate", json=body, headers=headers, timeout=10)
    polled = requests.get(f"{simulator.base_url}/v1/videos/generations/gen_img2v_x", headers=headers, timeout=10)

    assert (submitted.status_code, polled.status_code) == (401, 401)
    assert submitted.json()["error"]["code"] == polled.json()["error"]["code"] == "unauthorized"
    assert simulator.client.summary()["paid"] == 0


def test_a_submission_is_recorded_with_its_price_and_its_image(
    simulator: RunningSimulator, provider: ProviderCaller, images: ImageHost
) -> None:
    content = encoded(textured_picture(300, 200), "PNG")
    url = images.host("cat.png", content)

    answer = provider.submit(image_url=f"{url}?X-Amz-Signature=secret", mode="hq", duration=10)

    [recorded] = simulator.client.submissions()
    assert datetime.fromisoformat(recorded.pop("at")).tzinfo is not None
    assert recorded == {
        "id": answer.json()["id"],
        "paid": True,
        "price_cents": 187,
        "status_code": 200,
        "request": {"prompt": "zoom in", "image_url": url, "mode": "hq", "duration": 10},
        "image": {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "format": "PNG",
            "width": 300,
            "height": 200,
        },
    }
    assert images.requested[-1] == "/cat.png?X-Amz-Signature=secret"


def test_refused_submissions_are_recorded_in_order_and_cost_nothing(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    provider.submit(prompt="")
    provider.submit_body(b"not json")
    provider.submit(image_url=f"{provider.image_url}.missing")

    recorded = simulator.client.submissions()
    assert [entry["status_code"] for entry in recorded] == [400, 400, 400]
    assert [entry["request"] and entry["request"]["prompt"] for entry in recorded] == ["", None, "zoom in"]
    assert not any(entry["paid"] or entry["price_cents"] or entry["id"] for entry in recorded)
    assert simulator.client.summary()["price_cents"] == 0


def test_the_summary_adds_up_what_was_paid(simulator: RunningSimulator, provider: ProviderCaller) -> None:
    first = provider.submit().json()["id"]
    provider.submit(duration=10)
    provider.submit(duration=3)
    provider.poll(first)
    provider.poll(first)

    assert simulator.client.summary() == {
        "submissions": 3,
        "paid": 2,
        "price_cents": 47 + 94,
        "polls": {first: 2},
        "downloads": {},
        "max_in_flight": 1,
    }


def test_submissions_at_the_same_moment_are_counted_as_such(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    simulator.client.set_faults([{"on": "submit", "do": {"kind": "delay", "seconds": 0.4}}])

    answers = provider.submit_at_once(6)

    assert len({answer.json()["id"] for answer in answers}) == 6
    assert simulator.client.summary()["max_in_flight"] == 6


def test_a_reset_deletes_submissions_generations_and_faults(
    simulator: RunningSimulator, provider: ProviderCaller
) -> None:
    known = provider.submit().json()["id"]
    simulator.client.set_faults([{"on": "submit", "do": {"kind": "status", "status": 503}}])

    simulator.client.reset()

    assert simulator.client.submissions() == []
    assert provider.poll(known).status_code == 404
    assert provider.submit().status_code == 200


def test_the_openapi_document_has_the_request_and_control_tags(
    simulator: RunningSimulator,
) -> None:
    document = requests.get(f"{simulator.base_url}/openapi.json", timeout=10).json()

    submit = document["paths"]["/v1/videos/generate"]["post"]
    schema = submit["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["prompt", "image_url"]
    assert all("description" in field for field in schema["properties"].values())
    assert submit["security"] == [{"HTTPBearer": []}]
    for path, methods in document["paths"].items():
        tag = "simulator" if path.startswith("/simulator/") else "provider"
        assert all(operation["tags"] == [tag] for operation in methods.values())
