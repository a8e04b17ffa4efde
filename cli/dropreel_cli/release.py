"""What a release needs: `python -m dropreel_cli.release version | check-tag TAG | notes | package | sbom`.

The version is in template.yaml, the notes are in CHANGELOG.md. This needs the standard library only, so that the workflow
of a release can check its tag before it installs anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # nosec B404 # only a release starts programs here
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / ".aws-sam" / "build"
DIST = ROOT / "dist"
CYCLONEDX = ROOT / ".venvs" / "audit" / "bin" / "cyclonedx-py"
BESIDE = ("CHANGELOG.md", "samconfig.toml")
"""What the package has beside the template and what the template names."""
OLDEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip, so that the same build gives the same bytes."""

_VERSION = re.compile(r"^    SemanticVersion: &version (\d+\.\d+\.\d+)\b", re.MULTILINE)
_LOCAL_PATH = re.compile(
    r"^( +(?:Code|CodeUri|ContentUri|DefinitionUri|LicenseUrl|Location|ReadmeUrl): )(\S+)$", re.MULTILINE
)
_RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\].*$", re.MULTILINE)


class ReleaseError(Exception):
    """A release cannot be made; the message is for people."""


def main(arguments: Sequence[str]) -> int:
    """Do one of the five; return 0, or 1 after a sentence on stderr."""
    try:
        match list(arguments):
            case ["version"]:
                print(version())
            case ["check-tag", tag]:
                check_tag(tag)
            case ["notes"]:
                print(notes(version()))
            case ["package"]:
                print(package(BUILT, DIST))
            case ["sbom"]:
                print(sbom(DIST))
            case _:
                print(
                    "usage: python -m dropreel_cli.release version | check-tag TAG | notes | package | sbom",
                    file=sys.stderr,
                )
                return 1
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def version(template: Path = ROOT / "template.yaml") -> str:
    """Return the template's version: `0.1.0`."""
    found = _VERSION.search(template.read_text(encoding="utf-8"))
    if found is None:
        raise ReleaseError(f"{template.name} has no SemanticVersion of the form 0.1.0 with the anchor &version.")
    return found[1]


def released(changelog: str) -> list[str]:
    """Return the versions that a changelog has sections for, in its order: the newest first."""
    return _RELEASE.findall(changelog)


def check_tag(tag: str, current: str | None = None, changelog: str | None = None) -> None:
    """Raise ReleaseError unless the tag, the template and the topmost release of CHANGELOG.md have one version."""
    current = current or version()
    if tag != f"v{current}":
        raise ReleaseError(
            f"The tag is {tag}, and template.yaml has the version {current}: the tag must be v{current}."
        )
    topmost = released(_changelog() if changelog is None else changelog)[:1]
    if topmost != [current]:
        has = topmost[0] if topmost else "none"
        raise ReleaseError(f"The topmost release in CHANGELOG.md must be {current}; it is {has}.")


def notes(of: str, changelog: str | None = None) -> str:
    """Return the text of a version's section in CHANGELOG.md, without its heading."""
    text = _changelog() if changelog is None else changelog
    for found in _RELEASE.finditer(text):
        if found[1] == of:
            return re.split(r"^(?:## |\[[^\]]+\]: )", text[found.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    raise ReleaseError(f"CHANGELOG.md has no section [{of}].")


def package(built: Path, dist: Path, root: Path = ROOT) -> Path:
    """Write `dist/dropreel-<version>/` and its zip: the built templates and all that they name. Return the zip.

    `sam deploy` takes the folder without a build: every path in a template leads into its own folder.
    """
    source = built / "template.yaml"
    if not source.is_file():
        raise ReleaseError("There is no build: run make package, which builds first.")
    name = f"dropreel-{version(root / 'template.yaml')}"
    folder = dist / name
    shutil.rmtree(folder, ignore_errors=True)
    _copy_template(source, folder / "template.yaml", root.resolve())
    for beside in BESIDE:
        _copy(root / beside, folder / beside)
    return _zipped(folder, dist / f"{name}.zip")


def sbom(dist: Path) -> Path:
    """Write `dist/dropreel-<version>.cdx.json` from the layers' lock files: what runs in Lambda beside our own code."""
    current = version()
    locks = sorted(ROOT.glob("layers/*/requirements.txt"))
    dist.mkdir(exist_ok=True)
    written = dist / f"dropreel-{current}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyproject.toml"
        project.write_text(f'[project]\nname = "dropreel"\nversion = "{current}"\nlicense = "MIT"\n', encoding="utf-8")
        command = [str(CYCLONEDX), "requirements", "-", "--pyproject", str(project), "--output-reproducible"]
        command += ["--of", "JSON", "--output-file", str(written)]
        locked = "\n".join(lock.read_text(encoding="utf-8") for lock in locks)
        quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}  # a lock file has no dependency graph, which is warned about
        if subprocess.run(command, input=locked, text=True, env=quiet, check=False).returncode:  # nosec B603 # our own words, no shell
            raise ReleaseError("cyclonedx-py failed: there is no SBOM.")
    return written


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _copy_template(source: Path, target: Path, root: Path) -> None:
    """Copy a built template with all that it names, and so each nested template."""
    built = source.parent.resolve()

    def copied(found: re.Match[str]) -> str:
        path = (built / found[2]).resolve()
        inside = path.relative_to(built if path.is_relative_to(built) else root)
        if found[1].endswith("Location: ") and path.is_file():
            _copy_template(path, target.parent / inside, root)
        else:
            _copy(path, target.parent / inside)
        return f"{found[1]}{inside.as_posix()}"

    text = _LOCAL_PATH.sub(copied, source.read_text(encoding="utf-8"))
    if "../" in text:
        raise ReleaseError("The built template still names a path outside of the package.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.is_file():
        shutil.copyfile(source, target)
    else:
        raise ReleaseError(f"{source.name} is not there.")


def _zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), OLDEST_ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
