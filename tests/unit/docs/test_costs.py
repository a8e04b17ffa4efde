"""docs/costs.md is made from AWS's price list, the measured counts and the templates."""

import json
import re
from datetime import date

import pytest

from benchmarks.bill import LIST, PRICES, cost, video_of
from docs.write_costs import BLOCKS, PAGE, ROOT, figures, page
from dropreel.domain.prices import DOCUMENTED

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_not_stale():
    assert page(TEXT) == TEXT, "docs/costs.md is stale: run `make docs`"


def test_the_page_has_each_block_once():
    assert sorted(re.findall(r"<!-- made by docs/write_costs.py: (\w+) -->", TEXT)) == sorted(BLOCKS)


def test_every_price_has_a_source_and_the_list_a_date():
    prices = [*LIST["requests"].values(), *LIST["monthly"].values()]

    assert all(one["source"].startswith("https://aws.amazon.com/") and one["usd"] > 0 for one in prices)
    assert date.fromisoformat(f"{LIST['date']}-01").year >= 2026
    assert set(PRICES) == set(LIST["requests"])


@pytest.mark.parametrize("minutes", [1, 3, 10])
def test_the_formula_of_the_page_gives_its_bill(minutes: int):
    counted, polls = figures(), 12 * minutes
    amounts = {name: counted["rest_of_a_job"][name] + polls * counted["a_poll"][name] for name in PRICES}
    amounts["secret_calls"] += minutes // 5

    bill = sum(amounts[name] * price.usd / price.per for name, price in PRICES.items())

    assert bill == pytest.approx(cost(video_of(minutes, counted)))
    assert f"**{bill:.5f}**" in TEXT


def test_each_event_of_an_executions_history_is_counted():
    """Wait: entered, exited. Check Status: entered, scheduled, started, succeeded, exited. How Far: entered, exited."""
    machine = json.loads((ROOT / "statemachine" / "generate_video.asl.json").read_text(encoding="utf-8"))
    events = {"Wait": 2, "Task": 5, "Choice": 2, "Pass": 2, "Succeed": 2}
    loop = [machine["States"][name]["Type"] for name in ("Wait", "Check Status", "How Far")]
    rest = [machine["States"][name]["Type"] for name in ("Set Pace", "Deliver Video", "Done")]

    assert sum(events[kind] for kind in loop) == figures()["a_poll"]["state_log_events"] == 9
    assert sum(events[kind] for kind in rest) + 2 == figures()["rest_of_a_job"]["state_log_events"] == 11


@pytest.mark.parametrize("part", ["a_poll", "rest_of_a_job"])
def test_the_state_machines_log_is_a_part_of_the_logs(part: str):
    counted = figures()[part]

    assert 150 < counted["state_log_bytes"] / counted["state_log_events"] < 600
    assert counted["state_log_bytes"] < counted["log_bytes"]


def test_the_pages_prices_are_the_parameters_default():
    assert f"`{DOCUMENTED.text}`" in TEXT
    assert f"`{DOCUMENTED.version}`" in TEXT
