"""The stock `aws` and `sam` clients against the local cloud, and the commands that the README names."""

import json
import os
import subprocess

import pytest

from dropreel.adapters.job_table import JOB_ROW, key_of
from dropreel.domain.prices import PRICE_CENTS, usd
from dropreel_cli.exits import Exit
from dropreel_cli.stack import Stack
from local.cloud import ROOT, deploy
from tests.e2e.conftest import RUN_PYTHON, SAMPLE, Account
from tests.support.sample_events import load_event, object_created

pytestmark = pytest.mark.exhaustive


def test_the_aws_client_uploads_and_reads_job_execution_and_video(account: Account) -> None:
    key = account.new_key()

    account.aws("s3", "cp", "--quiet", str(SAMPLE), f"s3://{account.uploads}/{key}")
    job = account.ended(key)

    item = account.aws("dynamodb", "get-item", "--table-name", account.stack.outputs["JobsTableName"],
                       "--key", json.dumps(key_of(job.job_id, JOB_ROW)))  # fmt: skip
    assert item["Item"]["status"]["S"] == "completed"
    machine = account.stack.outputs["StateMachineArn"]
    execution = machine.replace(":stateMachine:", ":execution:") + f":{job.job_id}-1"
    described = account.aws("stepfunctions", "describe-execution", "--execution-arn", execution)
    assert described["status"] == "SUCCEEDED"
    assert json.loads(described["input"]) == {
        "job_id": job.job_id,
        "attempt": 1,
        "generation_id": job.generation_id,
    }
    rules = account.aws("events", "list-rules")["Rules"]
    assert any(account.uploads in rule.get("EventPattern", "") for rule in rules)
    assert job.video is not None
    assert job.video.key in account.aws("s3", "ls", "--recursive", f"s3://{account.videos}/")


def _invoke(account: Account, function: str, event: object) -> "subprocess.CompletedProcess[str]":
    return account.run(
        "sam", "remote", "invoke", function, "--stack-name", account.stack.name, "--region", "us-east-1",
        "--event", json.dumps(event),
    )  # fmt: skip


def test_sam_remote_invoke_takes_the_sample_events(account: Account) -> None:
    key = account.new_key()
    put = account.put(key)
    job = account.ended(key)
    ids = {"job_id": job.job_id, "attempt": 1, "generation_id": job.generation_id}
    size = SAMPLE.stat().st_size
    upload = object_created(account.uploads, key, size, put["ETag"], put["VersionId"], "0055AED6DCD90281E5")
    message = load_event("submit_generation")
    message["Records"][0]["body"] = json.dumps(upload)

    submitted = _invoke(account, "SubmitGenerationFunction", message)
    checked = _invoke(account, "CheckStatusFunction", {**load_event("check_status"), **ids})
    delivered = _invoke(account, "DeliverVideoFunction", {**load_event("deliver_video"), **ids})
    reported = _invoke(account, "ReportFailureFunction", {**load_event("report_failure"), **ids})

    assert '"outcome": "completed"' in submitted.stdout, submitted.stderr  # the upload's own event came before
    assert len(account.submitted(key)) == 1
    assert '"outcome": "ended"' in checked.stdout, checked.stderr
    assert '"outcome": "delivered"' in delivered.stdout, delivered.stderr
    assert '"outcome": "completed"' in reported.stdout, reported.stderr


def _make_run(**variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(RUN_PYTHON), "-m", "dropreel_cli.make_arguments", "run"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_make_run_delivers_the_video_and_prints_its_price() -> None:
    done = _make_run(PROMPT='pan "right" über $5', DURATION="10", SOUND="false")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "10.00 s, 640 x 360, without sound" in done.stdout
    assert "Video Generation Completed" in done.stdout
    assert f"${usd(PRICE_CENTS['fast', 10])}" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.startswith("Video"))
    assert (ROOT / line.split()[1]).is_file()


def test_make_run_fails_for_a_file_that_is_no_image() -> None:
    done = _make_run(IMAGE=str(ROOT / "Makefile"))

    assert done.returncode == 1
    assert "not a JPG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF image" in " ".join(done.stderr.split())
    assert "nothing was spent." in done.stderr
    assert "logs" not in done.stdout + done.stderr  # they have nothing that would help


def _make(account: Account, command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(RUN_PYTHON), "-m", "dropreel_cli.make_arguments", command],
        cwd=ROOT,
        env={**os.environ, **account.cloud.engine.environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_removing_a_stack_keeps_buckets_and_tables_and_prints_why(account: Account) -> None:
    deploy(account.cloud.engine, {"NohumanApiKey": "key"}, stack_name="passing")
    outputs = Stack.find("passing", account.stack.session, account.stack.endpoint_url).outputs

    removed = _make(account, "remove", STACK="passing", YES="1")
    again = _make(account, "remove", STACK="passing", YES="1")

    assert removed.returncode == 0, removed.stderr
    buckets = {bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]}
    for name, why in [
        ("UploadsBucketName", "your images"),
        ("VideosBucketName", "the videos that you paid for"),
        ("JobsTableName", "the record of what was paid"),
    ]:
        assert f"{outputs[name]}: {why}." in removed.stdout
    assert {outputs["UploadsBucketName"], outputs["VideosBucketName"]} <= buckets
    assert outputs["JobsTableName"] in account.client("dynamodb").list_tables()["TableNames"]
    assert f"--no-deletion-protection-enabled --table-name {outputs['JobsTableName']}" in removed.stdout
    assert again.returncode == Exit.UNREACHABLE
    assert "There is no stack passing" in again.stderr
