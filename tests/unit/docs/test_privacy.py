"""docs/privacy.md names every resource that stores something, and its figures are the template's."""

import re
from typing import Any

import pytest

from docs.write_reference import load_template
from dropreel.adapters.image_bucket import PRESIGN_SECONDS
from dropreel.domain.backoff import LONGEST_HOLD
from dropreel.domain.forgetting import FORGOTTEN
from tests.unit.docs.pages import ROOT, rows_of
from tests.unit.docs.test_links import broken

PAGE = ROOT / "docs" / "privacy.md"
TEXT = " ".join(PAGE.read_text(encoding="utf-8").split())
STORING = (
    *("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Logs::LogGroup", "AWS::SNS::Topic"),
    *("AWS::SecretsManager::Secret", "AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine"),
)
ROWS = {name: row for row in rows_of(PAGE, "resource") for name in re.findall(r"\w+", row[0])}
TEMPLATES = sorted(file.name for file in ROOT.glob("*.yaml") if "AWSTemplateFormatVersion" in file.read_text("utf-8"))


def resources() -> dict[str, Any]:
    return {name: one for file in TEMPLATES for name, one in load_template(file)["Resources"].items()}


def test_every_resource_that_stores_something_has_its_row_and_no_other() -> None:
    assert {"template.yaml", "operations.yaml"} <= set(TEMPLATES)

    assert set(ROWS) == {name for name, one in resources().items() if one["Type"] in STORING}


def test_what_stores_images_or_words_says_what_forget_does_with_it() -> None:
    assert all(len(row) == 4 and all(row) for row in ROWS.values())
    reached = {name for name, row in ROWS.items() if row[3].startswith(("deletes", "redacts"))}

    assert reached == {"UploadsBucket", "PreparedBucket", "VideosBucket", "JobsTable"}


@pytest.mark.parametrize("queue", ["SubmissionQueue", "PrepareQueue", "DeadLetterQueue", "FailedInvocationsQueue"])
def test_a_queues_days_are_the_templates(queue: str) -> None:
    seconds = resources()[queue]["Properties"]["MessageRetentionPeriod"]

    assert f"{seconds // 86400} days" in ROWS[queue][2]


def test_the_days_of_old_versions_are_the_templates() -> None:
    (rule,) = [
        one
        for one in resources()["VideosBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        if "NoncurrentVersionExpiration" in one
    ]

    assert f"{rule['NoncurrentVersionExpiration']['NoncurrentDays']} days" in ROWS["VideosBucket"][2]
    assert f"hold a job for {LONGEST_HOLD.days} days" in TEXT


def test_what_a_redacted_text_becomes_and_how_long_an_address_is_valid() -> None:
    assert f"become `{FORGOTTEN}`" in TEXT
    assert PRESIGN_SECONDS == 3600
    assert "valid for an hour at most" in TEXT


def test_every_link_leads_to_what_is_there() -> None:
    assert broken(PAGE) == []
