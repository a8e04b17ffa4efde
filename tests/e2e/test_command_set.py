"""`dropreel set`: changes what is named, keeps all else, the key included, and refuses what the template does not allow."""

import json
from typing import Any

import pytest

from dropreel.domain.job import JobStatus
from local.cloud import API_KEY
from tests.e2e.conftest import Account, InstalledCommand
from tests.support.command_documents import validate_document


def _parameters(account: Account) -> dict[str, str]:
    described = account.client("cloudformation").describe_stacks(StackName=account.stack.name)["Stacks"][0]
    return {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}


def test_a_change_is_shown_and_made_and_all_else_is_kept(account: Account, dropreel: InstalledCommand) -> None:
    before = _parameters(account)
    try:
        shown = dropreel.run("set", "DEFAULT_MODE=hq", "MaxAttempts=2", "--dry-run", "--local")
        assert shown.returncode == 0, shown.stderr
        assert "DefaultMode" in shown.stdout
        assert "MaxAttempts" not in shown.stdout  # it has this value
        assert _parameters(account) == before

        document = dropreel.json("set", "DefaultMode=hq", "MaxAttempts=2", "--yes")

        assert document == {
            "version": 1,
            "changes": [{"name": "DefaultMode", "before": "fast", "after": "hq"}],
            "applied": True,
            "stack_status": "UPDATE_COMPLETE",
        }
        assert _parameters(account) == {**before, "DefaultMode": "hq"}
        secret = account.client("secretsmanager").get_secret_value(SecretId=account.physical("ApiKeySecret"))
        assert secret["SecretString"] == API_KEY
        # The functions use it: the new mode is paid, with the key that was kept.
        key = account.new_key()
        account.put(key)
        job = account.ended(key)
        assert job.status is JobStatus.COMPLETED
        assert account.submitted(key)[0]["request"]["mode"] == "hq"
        # The nested stack, which shows the limit on its dashboard, follows.
        raised = dropreel.json("set", "DailySpendLimitUsd=90000", "--yes")
        assert (raised["applied"], raised["stack_status"]) == (True, "UPDATE_COMPLETE")
        again = dropreel.json("set", "DefaultMode=hq", "--yes")
        assert (again["changes"], again["applied"]) == ([], False)
    finally:
        dropreel.run("set", "DefaultMode=fast", "DailySpendLimitUsd=unlimited", "--yes", "--local")
    assert _parameters(account) == before


@pytest.mark.parametrize(
    ("arguments", "exit_status", "sentence"),
    [
        (["SubmitConcurrency=1"], 2, "must be a whole number from 2 to 1000"),
        (["DefaultMode=hd"], 2, "allowed are fast, hq"),
        (["DailySpendLimit=20"], 2, "There is no parameter DailySpendLimit; did you mean DailySpendLimitUsd?"),
        (["NohumanApiKey=sk-1"], 2, "dropreel deploy --guided"),
        (["DefaultMode"], 2, "Write NAME=VALUE"),
        ([], 2, "Missing argument"),
        (["UploadsPrefix=shop/", "ExistingUploadsBucketName=", "--yes"], 2, "UploadsPrefix needs an Existing"),
        (["DefaultMode=hq"], 6, "Confirm with --yes"),
    ],
)
def test_a_wrong_call_changes_nothing_and_says_what_is_allowed(
    account: Account, dropreel: InstalledCommand, arguments: list[str], exit_status: int, sentence: str
) -> None:
    before = _parameters(account)

    done = dropreel.run("set", *arguments, "--local", "--json")

    assert done.returncode == exit_status, done.stderr
    document = json.loads(done.stdout)
    validate_document(document, "error")
    assert sentence in document["error"]["message"]
    assert "sk-1" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert _parameters(account) == before


def test_a_stack_that_is_not_there(account: Account, dropreel: InstalledCommand) -> None:
    environment: Any = account.cloud.engine.environment

    done = dropreel.run("set", "DefaultMode=hq", "--stack", "nothing-here", **environment)

    assert done.returncode == 3
    assert "There is no stack nothing-here in us-east-1. Name another one with --stack" in done.stderr
