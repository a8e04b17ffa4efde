"""The stack's prices: they are reserved as they are at the claim, and wrong ones spend nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dropreel.domain.errors import SettingsError
from dropreel.domain.job import JobStatus
from dropreel.domain.messages import RetryMessage
from dropreel.domain.prices import DOCUMENTED, PriceTable
from dropreel.provider.submit_answers import Busy
from dropreel.settings import Settings
from dropreel.wiring import _on_first_use
from tests.support.fake_stack import DROP, JOB_ID, FakeStack
from tests.support.sample_jobs import PRICE

MORE = PriceTable.parse("fast-5=0.50 fast-10=1.00 hq-5=1.00 hq-10=2.00")
LESS = PriceTable.parse("fast-5=0.40 fast-10=0.90 hq-5=0.90 hq-10=1.80")
WRONG = "fast-5=47 fast-10=0.94 hq-5=0.94 hq-10=1.87"


def set_prices(stack: FakeStack, prices: Any) -> None:
    stack.submit = replace(stack.submit, validator=replace(stack.submit.validator, prices=prices))


def test_a_submission_reserves_the_stacks_price(stack: FakeStack):
    set_prices(stack, MORE)

    assert stack.run() == "generating"
    assert (stack.job.cost_cents, stack.job.prices_version, stack.reserved) == (50, MORE.version, 50)


def test_a_held_job_is_reserved_at_the_price_of_its_claim(stack: FakeStack):
    stack.set_daily_limit(PRICE)
    stack.database.set_reserved("2026-05-04", 1)
    stack.run()
    held = stack.job
    set_prices(stack, MORE)
    stack.set_daily_limit(1000)

    stack.sweep.run()
    outcome = stack.deliver_retry_message()

    assert (held.status, held.cost_cents, held.prices_version) == (JobStatus.HELD, PRICE, DOCUMENTED.version)
    assert outcome == "generating"
    assert (stack.job.cost_cents, stack.job.prices_version, stack.reserved) == (50, MORE.version, 1 + 50)


def test_a_released_job_releases_what_it_had_reserved(stack: FakeStack):
    stack.provider.submit_answer = Busy(429, None, None)
    stack.database.set_reserved("2026-05-04", 7)
    send = stack.provider.prepare

    def change_prices(*arguments: Any) -> Any:
        set_prices(stack, MORE)
        return send(*arguments)

    stack.provider.prepare = change_prices  # type: ignore[assignment]

    assert stack.run() == "deferred"
    assert (stack.job.cost_cents, stack.reserved) == (PRICE, 7)


@pytest.mark.parametrize(
    ("prices", "cents"), [(MORE, 50), (DOCUMENTED, PRICE), (LESS, PRICE)], ids=["up", "as is", "down"]
)
def test_a_later_attempt_costs_what_the_first_did_or_the_higher_price(stack: FakeStack, prices: PriceTable, cents: int):
    stack.put_job(status=JobStatus.DEFERRED, attempt=2, generation_id=None, requeues=0, retry_at=None)
    set_prices(stack, prices)

    assert stack.run(RetryMessage(JOB_ID, 2, 0)) == "generating"

    assert (stack.job.cost_cents, stack.job.attempt, stack.reserved) == (cents, 2, cents)


def test_a_later_attempt_does_not_pass_the_limit_at_a_higher_price(stack: FakeStack):
    stack.put_job(status=JobStatus.DEFERRED, attempt=2, generation_id=None, requeues=0, retry_at=None)
    stack.set_daily_limit(100)
    stack.database.set_reserved("2026-05-04", 100 - PRICE)
    set_prices(stack, MORE)

    assert stack.run(RetryMessage(JOB_ID, 2, 0)) == "held"
    assert stack.provider.sent == []


@pytest.mark.parametrize("environment", [{"PRICES_USD": WRONG}, {"PRICES_USD": "free"}, {}], ids=str)
def test_wrong_prices_spend_nothing_and_the_message_comes_again(stack: FakeStack, environment: Mapping[str, str]):
    set_prices(stack, _on_first_use(lambda: Settings(environment).prices))

    with pytest.raises(SettingsError, match="PRICES_USD") as wrong:
        stack.run()
    stack.note_dead_letter.run(DROP, f"SettingsError: {wrong.value}")

    assert (stack.provider.sent, stack.reserved, stack.job.job_id) == ([], 0, JOB_ID)
    assert (stack.job.status, stack.job.is_dead_letter) == (JobStatus.DEFERRED, True)
    assert stack.job.reason is not None
    assert "PRICES_USD" in stack.job.reason.message


def test_corrected_prices_submit_the_redriven_image(stack: FakeStack):
    set_prices(stack, _on_first_use(lambda: Settings({"PRICES_USD": WRONG}).prices))
    with pytest.raises(SettingsError):
        stack.run()
    stack.note_dead_letter.run(DROP, "wrong prices")

    set_prices(stack, DOCUMENTED)

    assert stack.run() == "generating"
    assert stack.reserved == PRICE
