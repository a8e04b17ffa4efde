"""The release before the checkout's version, found in the repository's history."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_VERSION = re.compile(r"\bSemanticVersion: (?:&version )?(\d+)\.(\d+)\.(\d+)\b")
TEMPLATE = "template.yaml"


class NoHistory(Exception):
    """The previous release is not in this clone; the message says how to get it."""


@dataclass(frozen=True)
class Release:
    """A release: its version, such as `0.1.0`, and its commit."""

    version: str
    commit: str
    repository: Path

    def text(self, path: str) -> str:
        """Return a file of the release."""
        return _git(self.repository, "show", f"{self.commit}:{path}")

    def extract(self, folder: Path) -> None:
        """Write all files of the release into a folder that exists."""
        archive = folder.with_name(f"{folder.name}.tar")
        _git(self.repository, "archive", "--output", str(archive), self.commit)
        subprocess.run(["tar", "--extract", "--file", str(archive), "--directory", str(folder)], check=True)
        archive.unlink()


def previous_release(repository: Path) -> Release:
    """Return the newest release before HEAD.

    That is the highest tag `v1.2.3` among HEAD's ancestors; without tags, the newest commit on HEAD's first-parent history
    whose template has a lower version. Raises NoHistory.
    """
    try:
        head = _git(repository, "rev-parse", "HEAD").strip()
        is_shallow = _git(repository, "rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoHistory(f"{repository} is not a git clone. Clone the repository to test an update.") from error
    if found := _by_tag(repository, head) or _by_version(repository, head):
        return found
    how = "It is shallow: run `git fetch --unshallow --tags`." if is_shallow else "Run `git fetch --tags`."
    raise NoHistory(f"{repository} has no commit of a release before its version. {how}")


def _by_tag(repository: Path, head: str) -> Release | None:
    found = []
    for tag in _git(repository, "tag", "--merged", head, "--list", "v*").split():
        commit = _git(repository, "rev-parse", f"{tag}^{{commit}}").strip()
        version = tuple(map(int, tag[1:].split("."))) if re.fullmatch(r"v\d+\.\d+\.\d+", tag) else None
        if version is not None and commit != head:
            found.append((version, commit))
    if not found:
        return None
    version, commit = max(found)
    return Release(_text(version), commit, repository)


def _by_version(repository: Path, head: str) -> Release | None:
    """Return the parent of the commit that raised the version. A shallow clone's last commit has no parent."""
    current = _version_at(repository, head)
    changes = _git(repository, "rev-list", "--first-parent", head, "--", TEMPLATE).split()
    for commit in changes:
        parent = _git(repository, "rev-list", "--max-count=1", "--first-parent", "--skip=1", commit).strip()
        before = _version_at(repository, parent) if parent else None
        if current and before and before < current:
            return Release(_text(before), parent, repository)
    return None


def _version_at(repository: Path, commit: str) -> tuple[int, ...] | None:
    try:
        found = _VERSION.search(_git(repository, "show", f"{commit}:{TEMPLATE}"))
    except subprocess.CalledProcessError:
        return None
    return tuple(map(int, found.groups())) if found else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
