"""What the board shows without each permission of an operator: a message that names it, and never a traceback."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from dropreel.domain.job import Job
from dropreel_cli.connection import connect_local
from dropreel_cli.policies import policy_document
from dropreel_cli.stack import Stack
from dropreel_cli.stack_resources import StackResources
from dropreel_cli.web.server import BoardServer
from local.cloud import local_cloud_description
from tests.e2e.conftest import Account
from tests.e2e.made_jobs import CUT_AND_UNPAID, failed_job, unknown_job
from tests.support.board_server import running_board


@dataclass
class Jobs:
    """A job of each kind that the board can decide about, and a completed one."""

    completed: Job
    failed: Job
    to_adopt: Job
    to_resubmit: Job
    to_abandon: Job


@pytest.fixture(scope="module")
def jobs(account: Account) -> Jobs:
    key = account.new_key()
    account.put(key)
    unknown = (unknown_job(account, CUT_AND_UNPAID) for _ in range(3))
    return Jobs(account.ended(key), failed_job(account), *unknown)


@pytest.fixture
def operator(account: Account) -> Iterator[Callable[[str], Any]]:
    """Return what lets a user do all that an operator may, but one action; and the stack as that user reaches it."""
    iam, name = account.client("iam"), "a-board-operator"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    document = policy_document("operator", StackResources.of(account.stack))
    reached = {**local_cloud_description(account.cloud), "access_key_id": key["AccessKeyId"]}
    reached["secret_access_key"] = key["SecretAccessKey"]

    def allow(without: str) -> Stack:
        statements = [
            {**one, "Action": [action for action in one["Action"] if action != without]}
            for one in document["Statement"]
        ]
        allowed = {**document, "Statement": [one for one in statements if one["Action"]]}
        iam.put_user_policy(UserName=name, PolicyName="stack", PolicyDocument=json.dumps(allowed))
        return connect_local(reached)

    yield allow
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="stack")
    iam.delete_user(UserName=name)


class Visitor:
    """A browser that has opened the board, as far as HTTP goes."""

    def __init__(self, board: BoardServer) -> None:
        self.origin = f"http://127.0.0.1:{board.port}"
        self.session = requests.Session()
        self.session.headers["origin"] = self.origin
        assert self.session.get(board.address, timeout=30).ok

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.origin + path, timeout=30)

    def decide(self, job: Job, verb: str, **answers: str) -> requests.Response:
        """Make a decision as its dialog sends it."""
        path = f"/jobs/{job.job_id}/actions/{verb}"
        shown = dict(re.findall(r'data-(attempt|cents)="([^"]*)"', self.get(path).text))
        return self.session.post(self.origin + path, json={**shown, **answers}, timeout=30)

    def pause(self) -> requests.Response:
        return self.session.post(f"{self.origin}/submissions/pause", json={}, timeout=30)


Try = Callable[[Visitor, Jobs], requests.Response]
IN_THE_NOTICES = ("dynamodb:Query", "dynamodb:GetItem", "dynamodb:BatchGetItem", "sqs:GetQueueAttributes")
REFUSED: list[tuple[str, Try]] = [
    *((action, lambda visitor, _: visitor.pause()) for action in (
        "cloudformation:ListStackResources", "lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping")),
    ("dynamodb:UpdateItem", lambda visitor, jobs: visitor.decide(jobs.failed, "resume")),
    ("states:StartExecution", lambda visitor, jobs: visitor.decide(jobs.failed, "resume")),
    ("secretsmanager:GetSecretValue", lambda visitor, jobs: visitor.decide(jobs.to_adopt, "adopt", generation_id="gen_1")),
    ("sqs:SendMessage", lambda visitor, jobs: visitor.decide(jobs.to_resubmit, "resubmit", may_pay_twice="yes")),
    ("events:PutEvents", lambda visitor, jobs: visitor.decide(jobs.to_abandon, "abandon")),
]  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("action", IN_THE_NOTICES)
def test_what_cannot_be_read_is_said_above_the_jobs(
    operator: Callable[[str], Stack], action: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_board(operator(action)) as board:
        page = Visitor(board).get("/")

    assert page.status_code == 200
    assert action in page.text
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.parametrize(("action", "attempt"), REFUSED, ids=[action for action, _ in REFUSED])
def test_what_may_not_be_done_is_answered_with_the_permission(
    operator: Callable[[str], Stack], jobs: Jobs, action: str, attempt: Try, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_board(operator(action)) as board:
        answer = attempt(Visitor(board), jobs)

    assert answer.status_code == 409, answer.text
    assert action in answer.json()["error"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.exhaustive
@pytest.mark.parametrize("action", ["s3:GetObjectVersion"])
def test_an_image_that_may_not_be_read_has_no_thumbnail(
    operator: Callable[[str], Stack], jobs: Jobs, action: str, capfd: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = f"/jobs/{jobs.completed.job_id}/thumbnail"
    with running_board(operator(action)) as board:
        refused = Visitor(board).get(path)
    with running_board(operator("")) as board:
        shown = Visitor(board).get(path)

    assert (refused.status_code, shown.status_code) == (200, 200)
    assert (refused.headers["content-type"], shown.headers["content-type"]) == ("image/svg+xml", "image/webp")
    assert refused.headers["cache-control"] == "no-store"
    assert "Traceback" not in capfd.readouterr().err
