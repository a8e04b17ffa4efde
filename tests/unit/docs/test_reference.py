"""docs/reference.md is made from the template, the schemas and the enums, and agrees with the code."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs import write_reference
from docs.reference_texts import STATUSES, example_jobs
from docs.write_reference import BLOCKS, PAGE, TextMissing, allowed, escaped, load_template, page
from dropreel.adapters.queues import HIDDEN_SECONDS
from dropreel.domain.backoff import LONGEST_DEAD_LETTER, LONGEST_DEFERRAL, LONGEST_HOLD
from dropreel.domain.events import detail_of
from dropreel.domain.job import Charge, EventType, JobStatus
from dropreel.domain.next_steps import next_step
from dropreel.domain.options import OPTION_NAMES
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel.domain.reasons import Reason, ReasonCode
from dropreel.media.images.preparation import MAX_ORIGINAL_BYTES, MAX_ORIGINAL_PIXELS
from dropreel.media.images.reader import MAX_PIXELS
from dropreel.provider.limits import MAX_IMAGE_BYTES
from tests.support.sample_jobs import job_with
from tests.unit.docs.pages import ROOT, rows_of

TEXT = PAGE.read_text(encoding="utf-8")
REASON_ROWS = rows_of(PAGE, "code")


def keys(document: Any, above: str = "") -> set[str]:
    """Return the path of every key in an event."""
    found = set()
    for name, value in document.items():
        path = f"{above}{name}"
        found.add(path)
        if isinstance(value, dict) and not path.endswith("option_sources"):
            found |= keys(value, f"{path}.")
    return found


# --- made from the code -------------------------------------------------------------------------------------------


def test_the_page_is_not_stale() -> None:
    assert page(TEXT) == TEXT, "docs/reference.md is stale: run `make docs`"


def test_the_page_has_each_block_once() -> None:
    assert sorted(re.findall(r"<!-- made by docs/write_reference.py: (\w+) -->", TEXT)) == sorted(BLOCKS)


def test_a_status_without_a_sentence_is_refused_with_where_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {status: text for status, text in STATUSES.items() if status != JobStatus.HELD}
    monkeypatch.setattr(write_reference, "STATUSES", texts)

    with pytest.raises(TextMissing, match=r"^'held' has no text: add one to docs/reference_texts\.py$"):
        page(TEXT)


@pytest.mark.parametrize(
    ("parameter", "cell"),
    [
        ({"AllowedValues": [5, 10]}, "`5`, `10`"),
        ({"AllowedValues": [True, False]}, "`true`, `false`"),
        ({"AllowedValues": list(range(2, 1001))}, "999 values from `2` to `1000`"),
        ({"MinValue": 2, "MaxValue": 1000}, "2 to 1,000"),
        ({"MinValue": 1}, "at least 1"),
        ({"MinValue": 1, "ConstraintDescription": "must be a whole number of bytes."}, "a whole number of bytes"),
        ({"AllowedPattern": "^(a|b)$"}, "`^(a\\|b)$`"),
        ({"MinLength": 1}, "any text but the empty one"),
        ({"MaxLength": 2500}, "at most 2,500 characters"),
        ({}, "any text"),
    ],
)
def test_what_a_parameter_takes_is_put_into_words(parameter: dict[str, Any], cell: str) -> None:
    assert allowed(parameter) == cell


def test_markdown_is_escaped_but_not_inside_of_code() -> None:
    assert escaped("* | <a> `a|b`") == r"\* \| \<a> `a|b`"


# --- parameters, outputs, options, prices -------------------------------------------------------------------------


def test_the_parameters_and_their_defaults_are_the_templates() -> None:
    def shown(parameter: dict[str, Any]) -> str:
        return str(parameter["Default"]) or "empty" if "Default" in parameter else "required"

    in_template = {name: shown(parameter) for name, parameter in load_template()["Parameters"].items()}
    assert {name: cells[0] for name, *cells in rows_of(PAGE, "parameter")} == in_template


def test_the_outputs_are_the_templates() -> None:
    assert [row[0] for row in rows_of(PAGE, "output")] == list(load_template()["Outputs"])


def test_the_variables_are_the_options() -> None:
    assert {row[0]: row[4] for row in rows_of(PAGE, "option")} == {name: name.upper() for name in OPTION_NAMES}


def test_the_prices_are_the_price_tables() -> None:
    shown = {
        (mode, seconds): cells[column]
        for mode, *cells in rows_of(ROOT / "docs" / "options.md", "mode")
        for column, seconds in enumerate((5, 10))
    }
    assert shown == {key: str(usd(cents)) for key, cents in PRICE_CENTS.items()}


# --- events -------------------------------------------------------------------------------------------------------


def test_the_events_are_named_as_they_are_published() -> None:
    assert {row[0] for row in rows_of(PAGE, "`detail-type`")} == {event.value for event in EventType}


@pytest.mark.parametrize("event", EventType)
def test_an_example_is_an_event_of_its_job_by_the_schema(event: EventType) -> None:
    schema = json.loads((ROOT / "events" / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    job = example_jobs()[event]

    detail = json.loads(json.dumps(detail_of(job, event)))

    assert [error.message for error in Draft202012Validator(schema).iter_errors(detail)] == []
    assert detail["data"]["status"] == ("generating" if event is EventType.SUBMITTED else event.split()[-1].lower())


def test_the_table_of_fields_has_each_field_of_an_event() -> None:
    job = example_jobs()[EventType.COMPLETED]
    failed = replace(example_jobs()[EventType.FAILED], video=job.video)
    sent = keys(detail_of(job, EventType.COMPLETED)) | keys(detail_of(failed, EventType.FAILED))

    assert {row[0] for row in rows_of(PAGE, "field")} >= sent


# --- reason codes -------------------------------------------------------------------------------------------------


def test_every_reason_code_has_one_row_in_the_order_of_an_images_way() -> None:
    assert [row[0] for row in REASON_ROWS] == [str(code) for code in ReasonCode]


@pytest.mark.parametrize("row", REASON_ROWS, ids=lambda row: row[0])
def test_a_row_says_the_next_step_of_a_job_in_that_status(row: list[str]) -> None:
    code, status, _, said = row
    is_paid = status == "failed"
    job = job_with(
        status=JobStatus(status),
        charge=Charge.CHARGED if is_paid else Charge.NONE,
        generation_id="gen_1" if is_paid else None,
        reason=Reason(ReasonCode(code), "x"),
    )

    assert said == (next_step(job) or "").replace(job.job_id, "<job_id>")


def test_no_page_calls_a_charge_by_its_old_name() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]

    assert [one.name for one in pages if re.search(r"`money`|\"money\"|`perhaps`", one.read_text("utf-8"))] == []


def test_the_table_says_how_large_an_image_may_be_as_the_code_has_it() -> None:
    because = {row[0]: row[2] for row in REASON_ROWS}

    assert because["image_too_large"] == (
        f"the image has more than {MAX_ORIGINAL_BYTES:,} bytes; with `PrepareImages` = `never`, more than {MAX_IMAGE_BYTES:,}"
    )
    assert because["image_too_many_pixels"] == (
        f"the image has more than {MAX_ORIGINAL_PIXELS:,} pixels; with `PrepareImages` = `never`, more than {MAX_PIXELS:,}"
    )


def test_the_pages_say_how_long_an_image_may_wait_as_the_code_has_it() -> None:
    (because,) = [row[2] for row in REASON_ROWS if row[0] == ReasonCode.WAITED_TOO_LONG]
    operations = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())

    assert because.endswith(
        f"{LONGEST_DEFERRAL.days} days for the provider or for its preparation, "
        f"{LONGEST_DEAD_LETTER.days} days in the dead-letter queue, {LONGEST_HOLD.days} days for the day's limit"
    )
    assert f"After {LONGEST_DEAD_LETTER.days} days, its job ends with the reason `waited_too_long`" in operations
    assert f"hides each message for {HIDDEN_SECONDS} s" in operations
