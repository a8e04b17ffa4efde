"""`dropreel doctor`: each check is green on a stack that works, and red with what to do where something is wrong."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.e2e.conftest import SAMPLE, Account, InstalledCommand
from tests.support.command_documents import validate_document


def _checks(dropreel: InstalledCommand, *arguments: str) -> dict[str, dict[str, Any]]:
    done = dropreel.run("doctor", "--local", "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    validate_document(document, "doctor")
    assert done.returncode == (1 if any(one["status"] == "failed" for one in document["checks"]) else 0)
    return {one["name"]: one for one in document["checks"]}


def test_a_stack_that_works_and_a_picture_that_becomes_a_video(account: Account, dropreel: InstalledCommand) -> None:
    found = _checks(dropreel, "--end-to-end")

    for name in ("credentials", "clock", "stack", "outputs", "rules", "queue policy", "submissions", "functions",
                 "tables", "videos bucket", "API key", "presigned URL", "Lambda quota", "today's charges",
                 "end to end"):  # fmt: skip
        assert found[name]["status"] == "ok", found[name]
    assert "became a video in" in found["end to end"]["message"]
    assert found["your permissions"]["status"] == "skipped"  # the local account's root user


def test_the_installed_command_needs_no_checkout(account: Account, dropreel: InstalledCommand, tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "x.jpg")
    folder = account.new_key("").strip("/")

    def run(*arguments: str) -> str:
        done = dropreel.run(*arguments, "--local", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    planned = run("plan", "x.jpg", "--mode", "hq")
    dropped = run("drop", "x.jpg", "--to", folder, "--sound", "--download", "videos", "--yes")
    wrong = dropreel.run("plan", "x.jpg", "--mode", "hd", "--local", cwd=tmp_path)

    assert "mode=hq (command line)" in planned
    assert re.search(r"videos/\S+\.mp4: 5\.\d\d s, 640 x 360, with sound, [\d,]+ bytes", dropped)
    (video,) = (tmp_path / "videos").rglob("*.mp4")
    assert video.stat().st_size > 10_000
    assert wrong.returncode == 2
    assert "mode is 'hd'; allowed are fast, hq" in wrong.stderr
    assert "DefaultMode" in run("set", "DefaultMode=hq", "--dry-run")


def test_what_is_wrong_is_red_with_what_to_do(account: Account, dropreel: InstalledCommand) -> None:
    secrets, secret = account.client("secretsmanager"), account.physical("ApiKeySecret")
    key = secrets.get_secret_value(SecretId=secret)["SecretString"]
    events, rule = account.client("events"), account.physical("ImageUploadedRule")
    dropreel.json("pause")
    try:
        secrets.put_secret_value(SecretId=secret, SecretString="sk-wrong")
        events.disable_rule(Name=rule)
        printed = dropreel.run("doctor", "--local")
        found = _checks(dropreel)
    finally:
        secrets.put_secret_value(SecretId=secret, SecretString=key)
        events.enable_rule(Name=rule)
        dropreel.json("unpause", "--yes")

    assert printed.returncode == 1
    assert "FAILED  submissions" in printed.stdout
    assert "\x1b" not in printed.stdout
    assert "PAUSED" in found["submissions"]["message"]
    assert found["submissions"]["next_step"] == "dropreel unpause --local"
    assert found["API key"]["status"] == "failed"
    assert "refuses the key" in found["API key"]["message"]
    assert "sk-wrong" not in printed.stdout + json.dumps(found)
    assert "ImageUploadedRule is disabled" in found["rules"]["message"]
    assert found["rules"]["next_step"].startswith(f"aws events enable-rule --name {rule}")


def test_wrong_calls(account: Account, dropreel: InstalledCommand) -> None:
    environment: Any = account.cloud.engine.environment

    missing = dropreel.run("doctor", "--stack", "nothing-here", **environment)
    # Over AWS's own way in, the same stack is one where a video is paid for, as far as the command knows.
    paid = dropreel.run("doctor", "--end-to-end", "--stack", account.stack.name, **environment)

    assert missing.returncode == 3
    assert "There is no stack nothing-here" in missing.stderr
    assert paid.returncode == 6
    assert "would pay for a video" in paid.stderr
    assert "$0.47" in paid.stderr
