"""A poll's answer must be about the generation that was asked for."""

from typing import Any

import pytest

from dropreel.provider.client import ProviderClient
from dropreel.provider.poll_answers import Finished, GenerationFailed, InProgress, PollAnswer, PollFault
from tests.support.scripted_server import ScriptedServer

KEY = "nh-secret-5f1d"
STATES: dict[str, tuple[dict[str, Any], PollAnswer]] = {
    "created": ({"status": "created"}, InProgress("created")),
    "processing": ({"status": "processing"}, InProgress("processing")),
    "completed": (
        {"status": "completed", "result": {"url": "https://cdn.example/v.mp4"}},
        Finished("https://cdn.example/v.mp4"),
    ),
    "failed": ({"status": "failed", "error": "no faces"}, GenerationFailed("no faces")),
}


def poll(server: ScriptedServer, generation_id: str = "gen_1") -> PollAnswer:
    return ProviderClient(server.base_url, lambda: KEY).poll(generation_id)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("id_", ["gen_2", "gen_10", "GEN_1", "", 1, False, [], ["gen_1"], {"id": "gen_1"}])
def test_an_answer_about_another_generation_is_a_fault(server: ScriptedServer, state, id_):
    server.answers(200, {**STATES[state][0], "id": id_})

    assert poll(server) == PollFault("the provider's answer is about another generation", 200)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fields", [{}, {"id": None}, {"id": "gen_1"}], ids=["no id", "null", "the id"])
def test_an_answer_with_the_polled_id_or_without_one_is_taken(server: ScriptedServer, state, fields):
    body, answer = STATES[state]
    server.answers(200, {**body, **fields})

    assert poll(server) == answer


@pytest.mark.parametrize("id_", [17, "17"])
def test_an_id_that_is_sent_as_a_number_is_the_same(server: ScriptedServer, id_):
    server.answers(200, {"id": id_, "status": "processing"})

    assert poll(server, "17") == InProgress("processing")


@pytest.mark.parametrize("id_", [KEY, "https://uploads.example/a.jpg?X-Amz-Signature=5ec2e7f0a1b2c3d4", "half \ud83d"])
def test_another_generations_id_is_not_repeated(server: ScriptedServer, id_):
    server.answers(200, {"id": id_, "status": "failed", "error": f"see {id_}"})

    assert poll(server) == PollFault("the provider's answer is about another generation", 200)
