"""The workflows run what a laptop runs, with pinned actions and no more permissions than they name."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.template.resolved import ROOT, nested

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.y*ml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def loaded(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def workflow(name: str) -> dict[str, Any]:
    return loaded(GITHUB / "workflows" / f"{name}.yml")


def steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


def triggers(document: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document[True]  # YAML 1.1 reads the key `on` as true
    return found


def commands(document: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in steps(document))


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} == {"audit", "ci", "deploy", "release"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_a_commit_with_its_version(path):
    used = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))

    assert used
    assert [one for one in used if not PINNED.fullmatch(one)] == []


def test_an_action_has_one_commit_everywhere():
    used = {one for path in WORKFLOWS for one in re.findall(r"uses: *(\S+)@(\S+)", path.read_text(encoding="utf-8"))}

    assert len(used) == len({action for action, _ in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_has_only_the_permissions_that_it_names(path):
    document = loaded(path)

    assert document["permissions"] == {}
    assert all(isinstance(job["permissions"], dict) for job in document["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_checkout_leaves_no_token_behind(path):
    checkouts = [step for step in steps(loaded(path)) if step.get("uses", "").startswith("actions/checkout@")]

    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_that_runs_all_tests_has_the_history_of_releases(path):
    for job in loaded(path)["jobs"].values():
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        runs_all = any(".ci/run" in step.get("run", "") for step in job["steps"])
        assert not runs_all or [step["with"].get("fetch-depth") for step in checkouts] == [0]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_ends_in_time_on_a_fixed_runner(path):
    for job in loaded(path)["jobs"].values():
        assert job["runs-on"] == "ubuntu-24.04"
        assert job["timeout-minutes"] <= 60


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_make_target_that_a_workflow_runs_is_there(path):
    ran = re.findall(r"^ *(?:run: )?make (.*)", path.read_text(encoding="utf-8"), re.MULTILINE)
    named = [word for line in ran for word in line.split() if "=" not in word and not word.startswith(".venvs/")]

    assert set(named) <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_shell_command_holds_an_expression(path):
    assert "${{" not in commands(loaded(path))


def test_ci_runs_the_same_checks_on_push_and_pull_request():
    ci = workflow("ci")

    assert set(triggers(ci)) == {"push", "pull_request"}
    assert [step["run"] for step in steps(ci) if "run" in step] == [".ci/run"]
    assert ci["jobs"]["checks"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]


def test_a_release_is_checked_before_anything_is_made():
    done = [step["run"] for step in workflow("release")["jobs"]["build"]["steps"] if "run" in step]

    assert triggers(workflow("release")) == {"push": {"tags": ["v*"]}}
    assert "dropreel_cli.release check-tag" in done[0]
    assert done[1] == ".ci/run"
    assert "make package sbom" in done[2]


def test_what_is_released_was_attested():
    build = workflow("release")["jobs"]["build"]["steps"]
    (attested,) = [step for step in build if "attest" in step.get("uses", "")]

    assert attested["with"]["subject-path"].split() == ["dist/*.zip", "dist/*.cdx.json"]
    assert "dist/*.zip dist/*.cdx.json" in commands(workflow("release"))


def test_the_nested_applications_are_published_first_and_named_in_the_other():
    done = commands(workflow("release"))
    assert nested()
    for name, template in nested().items():  # `sam build` puts a nested template where its resource's name says
        application = template["Metadata"]["AWS::ServerlessRepo::Application"]["Name"]
        assert f"publish_nested {name} {application}\n" in done
    assert "s|Location: $1/template.yaml|" in done
    assert ':applications/$2"' in done
    assert (
        done.index('cd "$1"') < done.index("sed -i") < done.index("publish_nested Operations") < done.rindex("publish")
    )


def test_only_the_job_that_creates_the_release_may_write_to_the_repository():
    may = {
        (path.stem, name)
        for path in WORKFLOWS
        for name, job in loaded(path)["jobs"].items()
        if job["permissions"].get("contents") == "write"
    }

    assert may == {("release", "release")}


@pytest.mark.parametrize(("name", "job"), [("deploy", "deploy"), ("release", "publish")])
def test_aws_is_reached_by_a_role_in_an_environment_and_no_key(name, job):
    found = workflow(name)["jobs"][job]
    (credentials,) = [step for step in found["steps"] if "configure-aws-credentials" in step.get("uses", "")]

    assert found["environment"]
    assert found["permissions"]["id-token"] == "write"
    assert set(credentials["with"]) == {"role-to-assume", "aws-region"}


def test_deployments_are_started_by_hand_only():
    assert set(triggers(workflow("deploy"))) == {"workflow_dispatch"}


def test_dependabot_sees_every_lock_file_and_waits_before_it_updates():
    updates = loaded(GITHUB / "dependabot.yml")["updates"]
    folders = {folder for update in updates for folder in update.get("directories", [])}
    locked = {path.parent for path in [*ROOT.glob("requirements/*.txt"), *ROOT.glob("layers/*/requirements.txt")]}

    assert folders == {f"/{folder.relative_to(ROOT).as_posix()}" for folder in locked}
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_the_hooks_before_a_commit_download_nothing():
    repositories = loaded(ROOT / ".pre-commit-config.yaml")["repos"]

    assert [one["repo"] for one in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venvs/")
