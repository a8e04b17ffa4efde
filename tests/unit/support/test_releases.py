"""The previous release: by tag, or by the version in the template; a clone without it says how to get it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.releases import NoHistory, previous_release

Commit = Callable[..., str]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


@pytest.fixture
def commit(repository: Path) -> Commit:
    """Return a function that commits a template with a version; it returns the commit."""

    def make(version: str, note: str = "") -> str:
        (repository / "template.yaml").write_text(f"    SemanticVersion: &version {version} }}\n# {note}\n")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--allow-empty", "--message", f"{version} {note}")
        return git(repository, "rev-parse", "HEAD")

    return make


def test_the_highest_tag_before_head_is_the_previous_release(repository: Path, commit: Commit) -> None:
    commit("0.9.0")
    git(repository, "tag", "v0.9.0")
    tenth = commit("0.10.0")
    git(repository, "tag", "v0.10.0")
    git(repository, "tag", "vacation")
    commit("0.11.0")

    found = previous_release(repository)

    assert (found.version, found.commit) == ("0.10.0", tenth)


def test_the_tag_of_head_itself_is_not_its_previous_release(repository: Path, commit: Commit) -> None:
    first = commit("0.1.0")
    git(repository, "tag", "v0.1.0")
    commit("0.2.0")
    git(repository, "tag", "--annotate", "v0.2.0", "--message", "second")

    assert previous_release(repository).commit == first


def test_a_tag_outside_heads_history_does_not_count(repository: Path, commit: Commit) -> None:
    first = commit("0.1.0")
    git(repository, "tag", "v0.1.0")
    git(repository, "switch", "--quiet", "--create", "other")
    commit("0.3.0")
    git(repository, "tag", "v0.3.0")
    git(repository, "switch", "--quiet", "main")
    commit("0.2.0")

    assert previous_release(repository).commit == first


def test_without_tags_it_is_the_newest_commit_with_a_lower_version(repository: Path, commit: Commit) -> None:
    commit("0.1.0")
    last = commit("0.1.0", "a fix")
    commit("0.2.0")
    commit("0.2.0", "a feature")

    found = previous_release(repository)

    assert (found.version, found.commit) == ("0.1.0", last)
    assert "a fix" in found.text("template.yaml")


def test_a_branch_that_was_made_before_the_version_was_raised_is_not_it(repository: Path, commit: Commit) -> None:
    last = commit("0.1.0")
    git(repository, "switch", "--quiet", "--create", "side")
    (repository / "page.md").write_text("text")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "a page")
    git(repository, "switch", "--quiet", "main")
    commit("0.2.0")
    git(repository, "merge", "--quiet", "--no-edit", "side")

    assert previous_release(repository).commit == last


def test_the_files_of_a_release_are_written_into_a_folder(repository: Path, commit: Commit, tmp_path: Path) -> None:
    commit("0.1.0")
    commit("0.2.0")
    folder = tmp_path / "old"
    folder.mkdir()

    previous_release(repository).extract(folder)

    assert "0.1.0" in (folder / "template.yaml").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tar"] == []


def test_a_shallow_clone_says_how_to_get_the_history(repository: Path, commit: Commit, tmp_path: Path) -> None:
    commit("0.1.0")
    commit("0.2.0")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(shallow))

    with pytest.raises(NoHistory, match="shallow: run `git fetch --unshallow --tags`"):
        previous_release(shallow)


def test_a_folder_without_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="is not a git clone"):
        previous_release(tmp_path)
