"""Compares a provider's bill with the submissions, by generation id."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dropreel.adapters.job_table import JobTable
from dropreel.domain.job import Charge
from dropreel.domain.prices import usd
from dropreel_cli.job_story import Submission
from dropreel_cli.spending import Charged, charged_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropreel_cli.bills import Bill, BillItem
    from dropreel_cli.job_lists import JobLists


@dataclass(frozen=True)
class Differing:
    """A generation whose amount on the bill is not the price that was reserved for it."""

    generation_id: str
    billed: Decimal
    ours: Decimal
    job_id: str
    lines: list[int]


@dataclass
class Comparison:
    """What the bill and the submissions have in common, and what not. Amounts are US dollars.

    `only_here`: charged submissions that are not on the bill. `unknown`: submissions without a generation id that may have
    been charged, and so may be one of `only_on_bill`: generations that no job knows.
    """

    equal: int = 0
    equal_usd: Decimal = Decimal(0)
    differing: list[Differing] = field(default_factory=list)
    only_on_bill: dict[str, BillItem] = field(default_factory=dict)
    only_here: list[Charged] = field(default_factory=list)
    unknown: list[Charged] = field(default_factory=list)
    without_id: dict[int, Decimal] = field(default_factory=dict)
    billed_usd: Decimal = Decimal(0)
    ours_usd: Decimal = Decimal(0)

    @property
    def is_equal(self) -> bool:
        """Whether every line of the bill and every charged submission of the days agree."""
        return not (self.differing or self.only_on_bill or self.only_here or self.without_id)

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return {
            "is_equal": self.is_equal,
            "billed_usd": float(self.billed_usd),
            "charged_usd": float(self.ours_usd),
            "equal": {"count": self.equal, "usd": float(self.equal_usd)},
            "differing": [
                {
                    "generation_id": each.generation_id,
                    "job_id": each.job_id,
                    "billed_usd": float(each.billed),
                    "charged_usd": float(each.ours),
                    "lines": each.lines,
                }
                for each in self.differing
            ],
            "only_on_bill": [
                {"generation_id": generation_id, "billed_usd": float(item.amount), "lines": item.lines}
                for generation_id, item in self.only_on_bill.items()
            ],
            "only_here": [charged_document(each) for each in self.only_here],
            "unknown": [charged_document(each) for each in self.unknown],
            "without_id": [{"line": line, "billed_usd": float(amount)} for line, amount in self.without_id.items()],
        }


def compare(bill: Bill, submissions: Iterable[Charged], lists: JobLists) -> Comparison:
    """Compare a bill with the submissions of some days. Generations of other days are found by their ids."""
    compared = Comparison(without_id=dict(bill.without_id))
    left = dict(bill.items)
    for each in submissions:
        generation_id = each.submission.generation_id
        if each.submission.charge is Charge.NONE:
            continue
        if each.submission.charge is Charge.CHARGED:
            compared.ours_usd += usd(each.submission.cost_cents)
        if generation_id is None:
            compared.unknown.append(each)
        elif generation_id in left:
            _settle(compared, generation_id, left.pop(generation_id), each)
        else:
            compared.only_here.append(each)
    for each in _of_other_days(left, lists):
        _settle(compared, each.submission.generation_id or "", left.pop(each.submission.generation_id or ""), each)
    compared.only_on_bill = left
    amounts = [*(item.amount for item in bill.items.values()), *bill.without_id.values()]
    compared.billed_usd = sum(amounts, Decimal(0))
    return compared


def _settle(compared: Comparison, generation_id: str, item: BillItem, charged: Charged) -> None:
    ours = usd(charged.submission.cost_cents)
    if item.amount == ours:
        compared.equal += 1
        compared.equal_usd += ours
    else:
        compared.differing.append(Differing(generation_id, item.amount, ours, charged.job_id, item.lines))


def _of_other_days(left: dict[str, BillItem], lists: JobLists) -> list[Charged]:
    """Return the submissions of generations on the bill that a job holds or held, reserved on a day that was not read."""
    table = JobTable(lists.client, lists.table)
    found: dict[str, Charged] = {}
    for job_id in dict.fromkeys(lists.holders_of(left).values()):
        for row in table.history(job_id):
            if row["row"].startswith("attempt#") and row.get("generation_id") in left:
                found[row["generation_id"]] = Charged(job_id, Submission.of(row))
    return list(found.values())
