"""docs/first-deployment.md has a line for each check that needs a real AWS account."""

import re

import pytest

from tests.unit.template.resolved import ROOT, written

PAGE = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("first-deployment.md", "operations.md"))
COSTS = re.compile(r"\$[0-9]|costs nothing")


@pytest.mark.parametrize(
    "what",
    [
        "get-function-recursion-config",
        "get-function-event-invoke-config",
        "DeletionProtectionEnabled",
        "no-deletion-protection-enabled",
        "ROLLBACK_FAILED",
        "AssumeRolePolicyDocument",
        "aws:SecureTransport",
        "KmsKeyArn",
        "UploadsPrefix",
        "metadata.stack",
        "events whose source is `dropreel`",
        "deploy-policy.json",
        "ScalingConfig.MaximumConcurrency",
        "list-metrics --namespace Dropreel",
        "the visibility time-out that the function has set",
        "messages gather for five minutes",
        "StartMessageMoveTask",
    ],
)
def test_what_only_aws_shows_has_its_line(what):
    assert what in PAGE


def test_no_shell_function_takes_the_name_of_a_command():
    functions = re.findall(r"^(\w+)\(\) \{", PAGE, re.MULTILINE)

    assert functions == ["name", "resource", "nested", "lines", "version"]


def test_every_resource_that_a_loop_names_is_in_the_template():
    known = {*written()["Resources"], *written()["Outputs"]}
    named = [one for words in re.findall(r"for \w+ in ([\w ]+);", PAGE) for one in words.split()]

    assert named
    assert set(named) <= known


def test_logs_are_printed_one_line_an_event_from_a_time_on():
    (lines,) = re.findall(r"^lines\(\) .*$", PAGE, re.MULTILINE)

    assert "--start-time" in lines
    assert "events[].[message]" in lines  # `events[].message` prints all on one line
    assert PAGE.count("filter-log-events") == 1


def test_every_step_that_changes_something_has_its_cost():
    """Reads cost nothing but requests; the page says so once."""
    steps = re.split(r"^- \[ \] ", PAGE, flags=re.MULTILINE)[1:]
    acting = [one for one in steps if re.search(r"aws (s3 cp|\S+ (put-events|stop-|set-))", one)]

    assert len(acting) >= 5
    assert [one[:60] for one in acting if not COSTS.search(one)] == []
    assert "Looking costs nothing but requests" in PAGE
