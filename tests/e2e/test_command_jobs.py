"""The installed command shows jobs of the local cloud: `dropreel jobs` and `dropreel show`."""

import json
import re
import subprocess
from typing import Any

import pytest

from dropreel.domain.job import Job, JobStatus
from tests.e2e.conftest import COMMAND, Account, InstalledCommand
from tests.support.terminals import TerminalProcess

HOSTILE = "\x1b[31m[red]\u202e emoji \N{PARTY POPPER} " + "x" * 300 + ".jpg"


@pytest.fixture(scope="module")
def jobs(account: Account) -> dict[str, Job]:
    """A job in each status that a moment holds: completed, rejected, failed, unknown and generating."""
    keys = {name: account.new_key() for name in ("completed", "failed", "unknown", "generating")}
    keys["rejected"] = account.new_key(HOSTILE)
    faults: dict[str, dict[str, Any]] = {
        "failed": {"kind": "fail", "error": "it was refused"},
        "generating": {"kind": "stuck"},
    }
    faults["unknown"] = {"kind": "cut", "paid": True}
    rules = [{"on": "submit", "when": {"prompt_contains": name}, "do": fault} for name, fault in faults.items()]
    account.simulator.set_faults(rules)
    for name, key in keys.items():
        account.put(key, b"no picture" if name == "rejected" else None, {"prompt": f"a {name} one"})
    found = {name: account.ended(key) for name, key in keys.items() if name != "generating"}
    found["generating"] = account.job_when(keys["generating"], lambda job: job.polls > 0)
    assert {name: job.status.value for name, job in found.items()} == {name: name for name in keys}
    return found


def test_jobs_are_listed_filtered_and_found_in_pipes(
    dropreel: InstalledCommand, jobs: dict[str, Job], account: Account
) -> None:
    document = dropreel.json("jobs", "--since", "1h", "--limit", "1000")
    listed = {each["job_id"]: each["status"] for each in document["jobs"]}
    assert {job.job_id: name for name, job in jobs.items()}.items() <= listed.items()
    assert document["paused"] is False
    for name, job in jobs.items():
        one = dropreel.json("jobs", "--status", name, "--key-prefix", job.image.key)
        assert [each["job_id"] for each in one["jobs"]] == [job.job_id]

    plain = dropreel.run("jobs", "--local", "--limit", "1000", NO_COLOR="1")
    assert plain.returncode == 0, plain.stderr
    assert r"\x1b[31m[red]\u202e emoji" in plain.stdout
    assert all(line.isprintable() for line in plain.stdout.split("\n"))
    assert re.search(
        rf"{jobs['failed'].job_id} .* failed .* ≤\$0\.94 +generation_failed: .*it was refused", plain.stdout
    )


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    "arguments", [["jobs"], ["jobs", "--json"], ["spend", "--csv"], ["watch", "--interval", "0.2"]]
)
def test_a_pipe_that_closes_early_ends_the_command_in_silence(
    arguments: list[str], dropreel: InstalledCommand, account: Account
) -> None:
    command = f"{COMMAND} {' '.join(arguments)} --local | head -1; exit ${{PIPESTATUS[0]}}"
    process = subprocess.Popen(
        ["bash", "-c", command], env=dropreel.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(3):  # changes for `watch` to print
        if arguments[0] == "watch":
            account.ended(put_one(account))
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert len(out.splitlines()) == 1
    assert err == ""


def put_one(account: Account) -> str:
    key = account.new_key()
    account.put(key)
    return key


def test_the_table_fits_a_narrow_terminal(dropreel: InstalledCommand, jobs: dict[str, Job]) -> None:
    arguments = [str(COMMAND), "jobs", "--local", "--since", "1h"]
    terminal = TerminalProcess(arguments, {**dropreel.environment, "NO_COLOR": "1"}, columns=40)

    assert terminal.end(60) == 0

    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.drawn).split("\r\n")
    rows = [line for line in lines if re.match("[0-9a-f]{8} ", line)]
    assert len(rows) >= len(jobs)
    assert max(map(len, rows)) <= 40
    assert "\x1b[3" not in terminal.drawn


def test_a_pause_is_announced_first(dropreel: InstalledCommand, account: Account) -> None:
    lambda_client = account.client("lambda")
    mapping = account.physical("SubmitGenerationFunctionQueue")
    lambda_client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        done = dropreel.run("jobs", "--local")
        once = dropreel.run("watch", "--local", "--once")
    finally:
        lambda_client.update_event_source_mapping(UUID=mapping, Enabled=True)

    assert done.stderr.startswith("PAUSED: no submission starts")
    assert "PAUSED: no submission starts" in once.stdout


def test_a_wrong_call_ends_with_2_and_no_cloud_with_3(dropreel: InstalledCommand) -> None:
    wrong = dropreel.run("jobs", "--local", "--status", "done")
    assert wrong.returncode == 2
    assert "'deferred', 'preparing'" in wrong.stderr
    missing = dropreel.run("jobs", "--local", DROPREEL_LOCAL_CLOUD="/nowhere")
    assert missing.returncode == 3
    assert "dropreel up" in missing.stderr


def shown(dropreel: InstalledCommand, name: str) -> Any:
    return dropreel.json("show", name)


def test_a_job_is_shown_by_each_of_its_names(dropreel: InstalledCommand, jobs: dict[str, Job]) -> None:
    job = jobs["completed"]
    assert job.video is not None
    assert job.generation_id is not None
    names = (job.job_id, job.job_id[:8], job.generation_id, job.image.key, f"s3://{job.image.bucket}/{job.image.key}")
    for name in (*names, f"s3://{job.video.bucket}/{job.video.key}"):
        document = shown(dropreel, name)
        assert document["job"]["job_id"] == job.job_id
    assert (document["charged_usd"], document["unknown_usd"]) == (0.47, 0)
    assert [each["status"] for each in document["submissions"]] == ["completed"]
    assert document["links"]["video"].endswith(f"/{job.video.bucket}/{job.video.key}")


def test_each_story_has_its_next_step_and_no_signed_address(dropreel: InstalledCommand, jobs: dict[str, Job]) -> None:
    commands = {
        name: [each["command"] for each in shown(dropreel, job.job_id)["next_commands"]] for name, job in jobs.items()
    }
    unknown = jobs["unknown"].job_id
    assert commands["unknown"] == [
        f"dropreel adopt {unknown} GENERATION_ID --local",
        f"dropreel resubmit {unknown} --local",
        f"dropreel abandon {unknown} --local",
    ]
    folder, _, name = jobs["failed"].image.key.rpartition("/")
    assert commands["failed"] == [f"dropreel drop {name} --to {folder} --local"]
    assert commands["generating"] == []
    failed = shown(dropreel, jobs["failed"].image.key)
    assert [each["attempt"] for each in failed["submissions"]] == [1, 2]
    assert failed["charged_usd"] == 0.94
    for job in jobs.values():
        text = dropreel.call("show", job.job_id, "--local").stdout
        assert text.startswith(f"{job.job_id} {job.status}")
        assert all(line.isprintable() for line in text.split("\n"))
        assert "Amz" not in text + json.dumps(shown(dropreel, job.job_id))
    assert "from S3 metadata" in text
    assert jobs["generating"].status is JobStatus.GENERATING


def test_what_is_no_job_ends_with_1(dropreel: InstalledCommand) -> None:
    done = dropreel.run("show", "nothing.jpg", "--local", "--json")
    assert done.returncode == 1
    assert "There is no job, generation or image" in json.loads(done.stdout)["error"]["message"]
