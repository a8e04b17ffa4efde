"""`dropreel policy`: what it prints is enough for every command, and each action in it is needed.

`CALLS` has a row for each command: how it is called, what it does without each of its actions, and which others it asks for.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel_cli.policies import NEEDED_BY, ON_THE_BOARD
from tests.e2e.command_scene import Scene
from tests.e2e.conftest import Account, InstalledCommand
from tests.e2e.engine_permissions import user_with
from tests.e2e.recorded_calls import RecordedCalls
from tests.support.command_documents import validate_document

MAX_CHARACTERS = 6144
"""IAM's limit of a managed policy, white space not counted."""
Done = subprocess.CompletedProcess[str]
Check = Callable[[str, Done], bool]


def _is_refused(action: str, done: Done) -> bool:
    """Whether a command ended with the status of what is not permitted, and named the action."""
    return done.returncode == 3 and action.lower() in (done.stdout + done.stderr).lower()


def _lacking(done: Done) -> dict[str, str]:
    """Return the messages of doctor's checks that a missing permission stopped or that found one, by the check's name."""
    words = ("not allowed", "not authorized", "may not simulate")
    checks = {one["name"]: one["message"] for one in json.loads(done.stdout)["checks"]}
    return {name: message for name, message in checks.items() if any(word in message.lower() for word in words)}


def _checks_are_skipped(actions: str, done: Done) -> bool:
    """Whether for each of the actions a check of doctor was stopped by it, and named it."""
    stopped = _lacking(done)
    permissions = stopped.pop("your permissions")
    simulated = "may not simulate" in permissions or all(one in permissions for one in actions.split())
    stopped["your permissions"] = "iam:SimulatePrincipalPolicy" if "may not simulate" in permissions else ""
    return simulated and all(
        any(one.lower() in message.lower() for message in stopped.values()) for one in actions.split()
    )


def _shows_no_pause(_: str, done: Done) -> bool:
    """Whether a list was shown that does not say whether the stack is paused."""
    return done.returncode == 0 and json.loads(done.stdout)["paused"] is None


def _shows_a_fault(action: str, done: Done) -> bool:
    """Whether a board was shown whose faults name the action."""
    return done.returncode == 0 and any(action.lower() in one.lower() for one in json.loads(done.stdout)["faults"])


def _downloads_nothing(action: str, done: Done) -> bool:
    """Whether the video was left in its bucket, with the action in the reason."""
    (video,) = json.loads(done.stdout)["videos"]
    return done.returncode == 1 and video["path"] is None and action.lower() in video["message"].lower()


@dataclass(frozen=True)
class Call:
    """A command as its user calls it. `without`: its actions, and what it does without each; `after` it was done, too.

    Several actions in one text are removed together.

    `shared`: the other actions that it asks for, which another row is called without.
    """

    policy: str
    line: Callable[[Scene], tuple[str, ...]]
    without: Mapping[str, Check]
    after: Mapping[str, Check] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    prepare: Callable[[Scene], Any] = field(default=lambda _: None)
    is_done: Callable[[Done], bool] = field(default=lambda done: done.returncode == 0)

    @property
    def actions(self) -> set[str]:
        """Return all actions that it asks for."""
        without = " ".join((*self.without, *self.after)).split()
        return {*without, *self.shared, "cloudformation:DescribeStacks"}


def _refused(*actions: str) -> dict[str, Check]:
    return dict.fromkeys(actions, _is_refused)


_LISTED = "cloudformation:ListStackResources"
_MAPPING = "lambda:GetEventSourceMapping"
CALLS = {
    "policy": Call("reader", lambda _: ("policy", "reader"), _refused("cloudformation:DescribeStacks", _LISTED)),
    "jobs": Call(
        "reader",
        lambda scene: ("jobs", "--key-prefix", scene.job.image.key),
        {
            **_refused("dynamodb:Query", "dynamodb:BatchGetItem"),
            **dict.fromkeys((_LISTED, _MAPPING), _shows_no_pause),
        },
    ),
    "show": Call(
        "reader",
        lambda scene: ("show", scene.job.job_id),
        _refused("dynamodb:Query"),
        shared=("dynamodb:BatchGetItem",),
    ),
    "watch": Call(
        "reader",
        lambda _: ("watch", "--once"),
        {
            **dict.fromkeys(("dynamodb:Query", "dynamodb:GetItem", "sqs:GetQueueAttributes"), _shows_a_fault),
            _MAPPING: _shows_no_pause,
        },
        shared=("dynamodb:BatchGetItem", _LISTED),
        prepare=lambda scene: scene.job,
    ),
    "spend": Call(
        "reader",
        lambda _: ("spend", "--days", "1"),
        _refused("dynamodb:GetItem"),
        shared=("dynamodb:Query", "dynamodb:BatchGetItem"),
        prepare=lambda scene: scene.job,
    ),
    "plan": Call(
        "reader",
        lambda scene: ("plan", scene.image, "--to", scene.job.image.key.removesuffix("image.jpg")),
        _refused("s3:ListBucket", "s3:GetObject", "dynamodb:GetItem", _LISTED, _MAPPING),
    ),
    "plan in S3": Call(
        "reader",
        lambda scene: ("plan", scene.address_in_existing_bucket),
        _refused("s3:ListBucket", "s3:GetObject", "dynamodb:Query", "dynamodb:BatchGetItem"),
        shared=("dynamodb:GetItem", _LISTED, _MAPPING),
    ),
    "drop": Call(
        "operator",
        lambda scene: (
            *("drop", scene.image, "--to", scene.new_prefix, "--yes"),
            *("--download", str(scene.folder / f"videos-{time.monotonic_ns()}")),
        ),
        _refused("s3:ListBucket", "s3:PutObject", _MAPPING),
        after={
            **_refused("s3:GetObject", "dynamodb:GetItem", "dynamodb:BatchGetItem"),
            "s3:GetObjectVersion": _downloads_nothing,
        },
        shared=(_LISTED,),
    ),
    "resume": Call(
        "operator",
        lambda scene: ("resume", scene.failed.image.key, "--yes"),
        _refused("dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "states:StartExecution"),
        shared=("dynamodb:BatchGetItem",),
    ),
    "adopt": Call(
        "operator",
        lambda scene: ("adopt", scene.unknown.image.key, scene.generation_id, "--yes"),
        _refused(_LISTED, "secretsmanager:GetSecretValue", "dynamodb:UpdateItem"),
        shared=(
            *("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"),
            *("states:StartExecution", "events:PutEvents"),
        ),
    ),
    "abandon": Call(
        "operator",
        lambda scene: ("abandon", scene.to_abandon.image.key, "--yes"),
        _refused("dynamodb:UpdateItem", "events:PutEvents"),
        shared=("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"),
    ),
    "resubmit": Call(
        "operator",
        lambda scene: ("resubmit", scene.to_resubmit.image.key, "--may-pay-twice", "--yes"),
        _refused("dynamodb:UpdateItem", "sqs:SendMessage"),
        shared=("dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"),
    ),
    "redrive": Call(
        "operator",
        lambda scene: ("redrive", scene.job.job_id, "--yes"),  # the other one's message is made visible again
        _refused(
            *("sqs:ReceiveMessage", "sqs:GetQueueAttributes", "dynamodb:BatchGetItem"),
            *("sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
        ),
        prepare=Scene.put_dead_letters,
    ),
    "pause": Call("operator", lambda _: ("pause",), _refused(_LISTED, _MAPPING, "lambda:UpdateEventSourceMapping")),
    "unpause": Call(
        "operator",
        lambda _: ("unpause", "--yes"),
        _refused("sqs:GetQueueAttributes", "dynamodb:GetItem", "lambda:UpdateEventSourceMapping"),
        shared=(_LISTED, _MAPPING),
        prepare=Scene.pause,
    ),
    "forget": Call(
        "forget",
        lambda scene: ("forget", scene.to_forget, "--yes"),
        _refused(
            *("dynamodb:Query", "dynamodb:BatchGetItem", "s3:ListBucketVersions"),
            *("s3:DeleteObjectVersion", "dynamodb:GetItem", "dynamodb:UpdateItem"),
        ),
    ),
    "doctor": Call(
        "operator",
        lambda _: ("doctor",),
        dict.fromkeys(
            (
                "cloudformation:ListStackResources",
                # Each of these is of another check.
                (
                    "cloudwatch:DescribeAlarms events:DescribeRule lambda:GetAccountSettings lambda:GetEventSourceMapping"
                    " s3:GetBucketNotification secretsmanager:GetSecretValue sqs:GetQueueAttributes dynamodb:GetItem"
                ),
                (
                    "events:ListTargetsByRule lambda:GetFunctionConfiguration s3:ListBucket dynamodb:Query"
                    " iam:SimulatePrincipalPolicy"
                ),
            ),
            _checks_are_skipped,
        ),
        shared=("dynamodb:BatchGetItem",),
        prepare=lambda scene: scene.job,
        is_done=lambda done: done.returncode in (0, 1) and not _lacking(done),
    ),
}
NOT_CALLED_HERE = {
    "cloudformation:ListStackResources": {"show"},  # for links to the console, which the local cloud does not have
    "dynamodb:GetItem": {"redrive"},  # of a second job, where the first one discarded a request
    "events:PutEvents": {"resume", "resubmit"},  # of an event that is not published yet
    "kms:Decrypt": {"drop", "plan"},  # by S3, where the stack has a key
    "kms:GenerateDataKey": {"drop"},
    "s3:AbortMultipartUpload": {"drop"},  # where the upload of a large file is stopped; a test below
    "s3:DeleteObject": {"forget"},  # S3's API reference asks for it beside s3:DeleteObjectVersion
    "states:GetExecutionHistory": {"board"},  # a server, without an end: tests/e2e/board
}
"""What a command needs that its call here does not ask for."""


@dataclass(frozen=True)
class Operator:
    """An IAM user with a policy of the stack, and the command as that user runs it."""

    account: Account
    dropreel: InstalledCommand
    name: str
    folder: Path

    def allow(self, document: dict[str, Any]) -> None:
        """Replace what the user may do."""
        self.account.client("iam").put_user_policy(
            UserName=self.name, PolicyName="stack", PolicyDocument=json.dumps(document)
        )

    @contextmanager
    def command(self) -> Iterator[InstalledCommand]:
        """The command with a key of this user."""
        iam = self.account.client("iam")
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        cloud = json.loads(self.dropreel.cloud_file.read_text(encoding="utf-8"))
        cloud |= {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
        file = self.folder / "cloud.json"
        file.write_text(json.dumps(cloud), encoding="utf-8")
        try:
            yield replace(self.dropreel, cloud_file=file)
        finally:
            iam.delete_access_key(UserName=self.name, AccessKeyId=key["AccessKeyId"])


@pytest.fixture
def operator(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> Iterator[Operator]:
    iam, name = account.client("iam"), "an-operator"
    iam.create_user(UserName=name)
    account.client("s3").create_bucket(Bucket=account.stack.parameters["ExistingUploadsBucketName"])
    yield Operator(account, dropreel, name, tmp_path)
    iam.delete_user_policy(UserName=name, PolicyName="stack")
    iam.delete_user(UserName=name)


def _policy(dropreel: InstalledCommand, name: str) -> dict[str, Any]:
    done = dropreel.call("policy", name, "--local")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _without(document: dict[str, Any], actions: str) -> dict[str, Any]:
    statements = [
        {**one, "Action": [each for each in one["Action"] if each not in actions.split()]}
        for one in document["Statement"]
    ]
    return {**document, "Statement": [one for one in statements if one["Action"]]}


@pytest.mark.parametrize("name", ["reader", "operator", "forget"])
def test_a_policy_is_a_valid_document_that_fits_a_managed_policy(dropreel: InstalledCommand, name: str) -> None:
    document = dropreel.json("policy", name)

    assert document["name"] == name
    assert document["policy"] == _policy(dropreel, name)
    assert len(json.dumps(document["policy"], separators=(",", ":"))) <= MAX_CHARACTERS
    for statement in document["policy"]["Statement"]:
        is_account_wide = statement["Action"] == ["lambda:GetAccountSettings"]
        assert ("*" in statement["Resource"]) is is_account_wide
        assert not any("*" in action for action in statement["Action"])


@pytest.mark.parametrize(("name", "output"), [("reader", "ReaderPolicyArn"), ("operator", "OperatorPolicyArn")])
def test_the_stacks_managed_policy_is_what_the_command_prints(
    account: Account, dropreel: InstalledCommand, name: str, output: str
) -> None:
    iam, arn = account.client("iam"), account.stack.outputs[output]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]

    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    assert document == _policy(dropreel, name)


@pytest.fixture(scope="module")
def scene(account: Account, dropreel: InstalledCommand, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(account, dropreel, tmp_path_factory.mktemp("scene"))


@pytest.fixture
def restored(account: Account) -> Iterator[None]:
    """Submissions that start, and an empty dead-letter queue."""
    yield
    mapping = account.physical("SubmitGenerationFunctionQueue")
    account.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
    account.client("sqs").purge_queue(QueueUrl=account.stack.outputs["DeadLetterQueueUrl"])


@pytest.mark.exhaustive
@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("name", CALLS)
def test_the_policy_is_enough_and_each_action_is_needed(
    operator: Operator, dropreel: InstalledCommand, scene: Scene, tmp_path: Path, name: str
) -> None:
    call, calls = CALLS[name], RecordedCalls(tmp_path)
    document = _policy(dropreel, call.policy)

    with operator.command() as command:

        def run(allowed: dict[str, Any], start: Callable[..., Done] = command.call) -> Done:
            call.prepare(scene)
            operator.allow(allowed)
            done = start(*call.line(scene), "--local", "--json", answers="", cwd=tmp_path, **calls.environment)
            assert "Traceback" not in done.stderr
            return done

        for action, check in call.without.items():
            done = run(_without(document, action))
            assert check(action, done), (action, done.stdout, done.stderr)
        done = run(document, command.run)  # each command's executable, once
        assert call.is_done(done), (done.stdout, done.stderr)
        for action, check in call.after.items():
            done = run(_without(document, action))
            assert check(action, done), (action, done.stdout, done.stderr)

    assert calls.actions == call.actions


def test_each_action_names_the_commands_that_ask_for_it() -> None:
    calls = [(name.split()[0], call) for name, call in CALLS.items()]
    for action, commands in NEEDED_BY.items():
        asking = {name for name, call in calls if action in call.actions} | NOT_CALLED_HERE.get(action, set())
        asking |= {"board"} if asking & ON_THE_BOARD else set()  # tests/e2e/board/test_permissions.py
        assert set(commands) == asking or commands == ("every command",), action


def test_an_operator_may_stop_the_upload_of_a_large_file(dropreel: InstalledCommand, account: Account) -> None:
    document = _policy(dropreel, "operator")
    where = {"Bucket": account.uploads, "Key": account.new_key()}
    answers = []
    with user_with(account.cloud.engine, "a-dropper", *document["Statement"]) as session:
        client: Any = session.client("s3", endpoint_url=account.stack.endpoint_url)
        upload = client.create_multipart_upload(**where)["UploadId"]
        iam = account.client("iam")
        for allowed in (_without(document, "s3:AbortMultipartUpload"), document):
            iam.put_user_policy(UserName="a-dropper", PolicyName="policy", PolicyDocument=json.dumps(allowed))
            try:
                client.abort_multipart_upload(**where, UploadId=upload)
            except ClientError as error:
                answers.append(error.response["Error"]["Code"])
            else:
                answers.append("done")

    assert answers == ["AccessDenied", "done"]


def test_doctor_names_a_permission_that_an_operator_lacks(operator: Operator, dropreel: InstalledCommand) -> None:
    document = _policy(dropreel, "operator")
    with operator.command() as command:
        operator.allow(_without(document, "sqs:DeleteMessage"))
        lacking = command.call("doctor", "--local")
        operator.allow(_policy(dropreel, "reader"))
        reading = json.loads(command.call("doctor", "--local", "--json").stdout)

    assert lacking.returncode == 1
    assert "Not allowed: sqs:DeleteMessage (for redrive)." in lacking.stdout
    assert "dropreel policy operator --local" in lacking.stdout
    validate_document(reading, "doctor")
    found = {one["name"]: one for one in reading["checks"]}
    assert found["your permissions"]["status"] == "ok"
    assert "policy reader" in found["your permissions"]["message"]
    assert found["API key"]["status"] == "skipped"


def test_wrong_calls(dropreel: InstalledCommand) -> None:
    done = dropreel.run("policy", "owner", "--local")

    assert done.returncode == 2
    assert "'operator', 'reader', 'forget'" in done.stderr
    assert done.stdout == ""
