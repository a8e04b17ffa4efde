"""`dropreel deploy` and `dropreel remove` with the real SAM CLI, with and without a terminal."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from dropreel.domain.days import day_of
from dropreel_cli.checkout import PREPARED_VARIABLE
from dropreel_cli.exits import Exit
from dropreel_cli.parameters import read_parameters
from dropreel_cli.stack import Stack
from dropreel_cli.target import ANSWERS
from local.cloud import ROOT
from tests.e2e.conftest import RUN_PYTHON, Account
from tests.e2e.terminal import answered
from tests.support.command_documents import validate_document

HOME = "us-east-1"
AWAY = "us-west-2"
KEY = "key-that-is-never-shown"


@dataclass
class Checkout:
    """A checkout beside the repository: the developer's own saved answers stay as they are."""

    folder: Path
    environment: dict[str, str]

    def cli(self, *arguments: str, answers: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command without a terminal."""
        return subprocess.run(
            [str(RUN_PYTHON), "-P", "-m", "dropreel_cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            input=answers,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def at_terminal(self, answers: dict[str, list[str]], *arguments: str) -> tuple[int, str]:
        """Run a command on a terminal of its own, as `answered` does."""
        command = [str(RUN_PYTHON), "-P", "-m", "dropreel_cli", *arguments]
        return answered(command, answers, cwd=self.folder, environment=self.environment)


@pytest.fixture
def checkout(account: Account, tmp_path: Path) -> Checkout:
    for name in (".venvs", ".aws-sam", "template.yaml", "functions", "layers", "statemachine", "LICENSE", "README.md",
                 "Makefile", "cli"):  # fmt: skip
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "samconfig.toml", tmp_path)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    for name in ("STACK", "YES", "GUIDED", "MAKE_VARIABLES", "NOHUMAN_API_KEY"):
        inherited.pop(name, None)
    (tmp_path / "tmp").mkdir()
    return Checkout(
        tmp_path,
        {
            **inherited,
            **account.cloud.engine.environment,
            PREPARED_VARIABLE: str(tmp_path),
            "SAM_CLI_POLL_DELAY": "0.5",
            "TMPDIR": str(tmp_path / "tmp"),
        },
    )


def cloudformation(account: Account, region: str) -> Any:
    return boto3.client(
        "cloudformation",
        region_name=region,
        endpoint_url=account.stack.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def stacks(account: Account, region: str) -> dict[str, str]:
    described = cloudformation(account, region).describe_stacks()["Stacks"]
    return {one["StackName"]: one["StackStatus"] for one in described if one["StackStatus"] != "DELETE_COMPLETE"}


def values_of(account: Account, stack: str, region: str) -> dict[str, str]:
    (described,) = cloudformation(account, region).describe_stacks(StackName=stack)["Stacks"]
    return {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}


@pytest.mark.exhaustive
def test_answers_are_used_kept_and_never_sent_again(account: Account, checkout: Checkout) -> None:
    answers = {
        "Stack name [dropreel]": ["shop window", "shop"],
        f"AWS region [{HOME}]": [AWAY],
        "NohumanApiKey": ["", KEY],
        "DefaultMode [fast]": ["hd", "hq"],
        "DefaultPrompt": ['pan "right", it\'s $5 \\ ü'],
    }

    # Declined: nothing was created.
    status, screen = checkout.at_terminal({**answers, "Deploy this changeset?": ["n"]}, "deploy")
    assert status == Exit.REFUSED, screen
    asked = [name for name in read_parameters() if re.search(rf"^{name}( \[.*\])?: ", screen, re.MULTILINE)]
    assert asked == list(read_parameters())
    assert screen.rstrip().endswith("Nothing was changed.")
    assert "shop" not in stacks(account, AWAY)

    # The answered name and region are the new defaults.
    retried = {**answers, "NohumanApiKey": [KEY], "DefaultMode [fast]": ["hq"], "Deploy this changeset?": ["y"]}
    status, screen = checkout.at_terminal(retried, "deploy")
    assert status == 0, screen
    assert "Stack name [shop]: " in screen
    assert KEY not in screen
    assert f"shop in {AWAY} is deployed." in screen
    assert f"--region {AWAY}" in screen
    assert list((checkout.folder / "tmp").iterdir()) == []
    there = stacks(account, AWAY)
    assert there["shop"] == "CREATE_COMPLETE"
    assert [there[name] for name in there if name.startswith("shop-Operations-")] == ["CREATE_COMPLETE"]
    assert "shop" not in stacks(account, HOME)
    values = values_of(account, "shop", AWAY)
    assert (values["DefaultMode"], values["DefaultPrompt"]) == ("hq", 'pan "right", it\'s $5 \\ ü')
    assert values["DailySpendLimitUsd"] == "50"
    secret = boto3.client("secretsmanager", region_name=AWAY, endpoint_url=account.stack.endpoint_url,
                          aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
    names = [one["Name"] for one in secret.list_secrets()["SecretList"]]
    assert KEY in [secret.get_secret_value(SecretId=name)["SecretString"] for name in names]

    # Spending is paused in the console; no later command changes it back.
    client = cloudformation(account, AWAY)
    kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in values if name != "DailySpendLimitUsd"]
    client.update_stack(
        StackName="shop",
        UsePreviousTemplate=True,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[*kept, {"ParameterKey": "DailySpendLimitUsd", "ParameterValue": "0"}],
    )
    client.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
    same = checkout.cli("deploy")
    assert same.returncode == 0, same.stdout + same.stderr
    assert f"shop in {AWAY} is up to date." in same.stdout
    changed = checkout.cli("deploy", "DefaultMode=fast", "--yes")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert f"shop in {AWAY} is deployed." in changed.stdout
    status, screen = checkout.at_terminal({}, "deploy", "--guided")
    assert status == 0, screen
    assert "DailySpendLimitUsd [0]: " in screen
    assert "NohumanApiKey [current value]: " in screen
    assert f"shop in {AWAY} is up to date." in screen
    expected = {**values, "DailySpendLimitUsd": "0", "DefaultMode": "fast"}
    assert values_of(account, "shop", AWAY) == expected
    assert KEY in [secret.get_secret_value(SecretId=name)["SecretString"] for name in names]

    # sam saved no answers, which it would send again at each later deployment.
    assert (checkout.folder / "samconfig.toml").read_bytes() == (ROOT / "samconfig.toml").read_bytes()
    assert KEY not in (checkout.folder / ANSWERS).read_text(encoding="utf-8")

    removed = checkout.cli("remove", "--yes")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert f"The stack shop in {AWAY} was removed." in removed.stdout
    assert not [name for name in stacks(account, AWAY) if name.startswith("shop")]


TINY: dict[str, dict[str, Any]] = {
    "Parameters": {"NohumanApiKey": {"Type": "String", "NoEcho": True}},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "JobsTable": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            },
        },
        "UploadsBucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"},
    },
}  # fmt: skip


def build(checkout: Checkout, template: dict[str, Any]) -> None:
    """Write a small template to the place of the built one."""
    (checkout.folder / ".aws-sam").unlink()
    built = checkout.folder / ".aws-sam" / "build"
    built.mkdir(parents=True)
    (built / "template.yaml").write_text(yaml.safe_dump(template), encoding="utf-8")


@pytest.mark.exhaustive
def test_saved_answers_of_an_older_sam_deploy_are_not_sent(account: Account, checkout: Checkout) -> None:
    limit = {"DailySpendLimitUsd": {"Type": "String", "Default": "50"}}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": {"Ref": "DailySpendLimitUsd"}}}
    build(checkout, {"Parameters": {**TINY["Parameters"], **limit}, "Resources": {"Queue": queue}})
    first = checkout.cli("deploy", "DailySpendLimitUsd=0", "--stack=older", "--yes", NOHUMAN_API_KEY=KEY)
    assert first.returncode == 0, first.stdout + first.stderr
    config = checkout.folder / "samconfig.toml"
    saved = 'confirm_changeset = true\nparameter_overrides = "DailySpendLimitUsd=\\"50\\""'
    config.write_text(config.read_text(encoding="utf-8").replace("confirm_changeset = true", saved), encoding="utf-8")
    assert "parameter_overrides" in config.read_text(encoding="utf-8")

    again = checkout.cli("deploy", "--stack=older", "--yes")

    assert again.returncode == 0, again.stdout + again.stderr
    assert values_of(account, "older", HOME)["DailySpendLimitUsd"] == "0"
    assert checkout.cli("remove", "--stack=older", "--yes").returncode == 0


def test_a_first_creation_that_fails_says_what_to_do_and_remove_clears_it(account: Account, checkout: Checkout) -> None:
    wrong = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "Sting", "Value": "x"}}
    build(checkout, {**TINY, "Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}, "Setting": wrong}})
    unattended = ("deploy", "--stack=half", "--yes")

    failed = checkout.cli(*unattended, NOHUMAN_API_KEY=KEY)
    again = checkout.cli(*unattended, NOHUMAN_API_KEY=KEY)
    status, screen = checkout.at_terminal({"Delete the stack half": ["y"]}, "remove", "--stack=half")
    gone = checkout.cli("remove", "--stack=half", "--yes")

    assert failed.returncode == Exit.FAILED
    assert f"half in {HOME} is ROLLBACK_COMPLETE. Setting failed: " in failed.stderr
    assert f"can only be deleted: run `dropreel remove --stack half --region {HOME}`" in failed.stderr
    assert again.returncode == Exit.REFUSED
    assert f"half in {HOME} cannot be changed: it is ROLLBACK_COMPLETE. Setting failed: " in again.stderr
    assert "Traceback" not in failed.stderr + again.stderr
    assert status == 0, screen
    assert f"The stack half in {HOME} was removed." in screen
    assert "Kept, because" not in screen
    assert gone.returncode == Exit.UNREACHABLE
    assert f"There is no stack half in {HOME}." in gone.stderr


@pytest.mark.exhaustive
def test_a_failure_in_the_nested_stack_is_printed_with_its_own_reason(account: Account, checkout: Checkout) -> None:
    good = {"Type": "AWS::SQS::Queue"}
    wrong = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "Sting", "Value": "x"}}
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "Operations/template.yaml"}}
    build(checkout, {**TINY, "Resources": {"Queue": good, "Operations": nested}})
    inner = checkout.folder / ".aws-sam" / "build" / "Operations" / "template.yaml"
    inner.parent.mkdir()
    unattended = ("deploy", "--stack=outer", "--yes")

    inner.write_text(yaml.safe_dump({"Resources": {"Setting": wrong}}), encoding="utf-8")
    not_created = checkout.cli(*unattended, NOHUMAN_API_KEY=KEY)
    removed = checkout.cli("remove", "--stack=outer", "--yes")
    inner.write_text(yaml.safe_dump({"Resources": {"Queue": good}}), encoding="utf-8")
    created = checkout.cli(*unattended, NOHUMAN_API_KEY=KEY)
    inner.write_text(yaml.safe_dump({"Resources": {"Queue": good, "Setting": wrong}}), encoding="utf-8")
    not_updated = checkout.cli(*unattended, NOHUMAN_API_KEY=KEY)
    gone = checkout.cli("remove", "--stack=outer", "--yes")

    assert not_created.returncode == 1
    assert f"outer in {HOME} is ROLLBACK_COMPLETE. Setting in Operations failed: " in not_created.stderr
    assert "Embedded stack" in not_created.stdout  # sam's own output has the parent's reason alone
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert created.returncode == 0, created.stdout + created.stderr
    assert not_updated.returncode == 1
    assert f"the stack outer in {HOME} is as before. Setting in Operations failed: " in not_updated.stderr
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert not [name for name in stacks(account, HOME) if name.startswith("outer")]


def test_a_change_set_that_was_never_executed_is_removed_with_its_name(account: Account, checkout: Checkout) -> None:
    client = cloudformation(account, HOME)
    client.create_change_set(
        StackName="reviewed", ChangeSetName="mine", ChangeSetType="CREATE", TemplateBody=yaml.safe_dump(
            {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    )  # fmt: skip

    unasked = checkout.cli("remove", "--stack=reviewed", answers="y\n")
    status, screen = checkout.at_terminal({}, "remove", "--stack=reviewed")
    removed = checkout.cli("remove", "--stack=reviewed", "--yes")

    assert (unasked.returncode, status, removed.returncode) == (Exit.REFUSED, Exit.REFUSED, 0), removed.stderr
    assert "Nothing was done: there is no terminal to ask on. Confirm with --yes." in unasked.stderr
    assert "Nothing was done." in screen
    assert "reviewed" not in stacks(account, HOME)


@pytest.mark.exhaustive
def test_a_stack_deployed_again_on_the_same_day_says_what_was_spent(account: Account, checkout: Checkout) -> None:
    limit = {"DailySpendLimitUsd": {"Type": "String", "Default": "50"}}
    keys = {
        "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "day", "AttributeType": "S"}],
    }
    properties = {"BillingMode": "PAY_PER_REQUEST", "TableName": "again-SpendTable-1A2B", **keys}
    table = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": properties}
    spend = {"SpendTable": {**table, "UpdateReplacePolicy": "Retain"}}
    build(checkout, {"Parameters": {**TINY["Parameters"], **limit}, "Resources": spend})
    first = checkout.cli("deploy", "--stack=again", "--yes", NOHUMAN_API_KEY=KEY)
    day = {"day": {"S": day_of(datetime.now(UTC))}, "reserved_cents": {"N": "564"}}
    account.client("dynamodb").put_item(TableName="again-SpendTable-1A2B", Item=day)
    assert checkout.cli("remove", "--stack=again", "--yes").returncode == 0

    spend["SpendTable"]["Properties"] = {**properties, "TableName": "again-SpendTable-3C4D"}
    shutil.rmtree(checkout.folder / ".aws-sam")
    (checkout.folder / ".aws-sam").symlink_to(ROOT / ".aws-sam")
    build(checkout, {"Parameters": {**TINY["Parameters"], **limit}, "Resources": spend})
    again = checkout.cli("deploy", "--stack=again", "--yes", "--json", NOHUMAN_API_KEY=KEY)

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert "An earlier stack again" not in first.stderr
    assert "An earlier stack again reserved $5.64 today" in again.stderr
    assert "deploy it with DailySpendLimitUsd=44.36, and tomorrow with DailySpendLimitUsd=50." in again.stderr
    document = json.loads(again.stdout)
    validate_document(document, "deploy")
    assert document["earlier_spend"] == [{"table": "again-SpendTable-1A2B", "reserved_usd": 5.64}]
    cloudformation(account, HOME).delete_stack(StackName="again")


def test_the_commands_that_remove_prints_delete_what_is_left(account: Account, checkout: Checkout) -> None:
    build(checkout, TINY)
    deployed = checkout.cli("deploy", "--stack=tidy", "--yes", "--json", NOHUMAN_API_KEY=KEY)
    assert deployed.returncode == 0, deployed.stderr
    validate_document(json.loads(deployed.stdout), "deploy")
    names = {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in account.client("cloudformation").list_stack_resources(StackName="tidy")["StackResourceSummaries"]
    }

    removed = checkout.cli("remove", "--stack=tidy", "--yes")

    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert f"{names['JobsTable']}: the record of what was paid." in removed.stdout
    assert f"{names['UploadsBucket']}: your images." in removed.stdout
    assert "/tidy/: the code that sam uploaded for this stack" in removed.stdout
    assert "Queue" not in removed.stdout
    path = f"{ROOT / '.venvs/aws/bin'}:{os.environ['PATH']}"
    for line in removed.stdout.splitlines():
        _, found, commands = line.partition("To delete it: ")
        if found:
            commands = commands.partition("(all versions), then ")[2] or commands
            done = subprocess.run(
                ["/bin/sh", "-c", commands],
                env={**checkout.environment, "PATH": path, "AWS_PAGER": ""},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, (commands, done.stderr)
    assert names["JobsTable"] not in account.client("dynamodb").list_tables()["TableNames"]
    buckets = {bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]}
    assert names["UploadsBucket"] not in buckets
    bucket = Stack.find("aws-sam-cli-managed-default", account.stack.session, account.stack.endpoint_url)
    left = account.client("s3").list_objects_v2(Bucket=bucket.outputs["SourceBucket"], Prefix="tidy/")
    assert left["KeyCount"] == 0
