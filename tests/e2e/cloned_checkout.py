"""A clone of this checkout in which make installs and builds nothing: its environments and builds are this checkout's."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local.cloud import ROOT, Engine
from tests.e2e.conftest import COMMAND
from tests.e2e.terminal import answered
from tests.support.releases import Release

ENVIRONMENTS = ("run", "ministack", "aws", "dev", "bench")
LAYERS = {"DependenciesLayer": "dependencies", "ImagingLayer": "imaging"}
_NEWER = 24 * 3600
"""Seconds by which what make would make is newer than what a later `git checkout` writes."""


@dataclass
class Clone:
    """A git clone with the checkout's own content, and the environment of a shell that reaches one local cloud."""

    folder: Path
    environment: dict[str, str]

    def paste(self, command: str, answers: dict[str, list[str]], prelude: str = "") -> tuple[int, str]:
        """Run a command in a shell on a terminal, where sam and `dropreel` ask; return its exit status and the screen."""
        shell = ["bash", "-uo", "pipefail", "-c", f"{prelude}\n{command}"]
        return answered(shell, answers, cwd=self.folder, environment=self.environment)

    def git(self, *arguments: str) -> None:
        _git(self.folder, *arguments)

    def use_build(self, build: Path) -> None:
        """Put a local build where make would build for AWS: `make deploy` then deploys functions that run here."""
        place = self.folder / ".aws-sam" / "build"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(build, place)
        for template in place.rglob("template.yaml"):  # the clone's functions: it has one folder less
            text = template.read_text(encoding="utf-8").replace("../../../", "../../")
            template.write_text(text, encoding="utf-8")
        _make_newer(place / "template.yaml")


def clone_checkout(folder: Path, engine: Engine, release: Release) -> Clone:
    """Clone this checkout, with what is not committed. The release has its tag, even where this checkout was cloned without."""
    subprocess.run(["make", "build-local", ".venvs/command/dropreel"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True, capture_output=True)
    if changes := _git(ROOT, "diff", "HEAD", "--binary"):
        subprocess.run(["git", "-C", str(folder), "apply", "--index"], input=changes, text=True, check=True)
        author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        _git(folder, *author, "commit", "--quiet", "--message", "What is not committed")
    if not _git(folder, "tag", "--list", f"v{release.version}"):
        _git(folder, "tag", f"v{release.version}", release.commit)
    _git(folder, "branch", "newest")
    for name in ENVIRONMENTS:
        if (ROOT / ".venvs" / name).is_dir():
            _link_environment(name, folder)
    local = folder / ".aws-sam" / "local"
    local.mkdir(parents=True)
    (local / "build").symlink_to(ROOT / ".aws-sam" / "local" / "build")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON", "MAKE"))}
    for name in ("STACK", "YES", "GUIDED", "NOHUMAN_API_KEY"):
        inherited.pop(name, None)
    path = f"{COMMAND.parent}:{ROOT / '.venvs' / 'aws' / 'bin'}:{os.environ['PATH']}"
    settings = {"AWS_PAGER": "", "SAM_CLI_POLL_DELAY": "0.2", "SAM_CLI_TELEMETRY": "0", "PATH": path}
    clone = Clone(folder, {**inherited, **engine.environment, **settings})
    clone.use_build(ROOT / ".aws-sam" / "local" / "build")
    return clone


def build_release(release: Release, folder: Path) -> Path:
    """Return a checkout of a release with its local build, made with this checkout's tools.

    A layer whose packages are the same is copied from this checkout's build: nothing is downloaded then.
    """
    subprocess.run(["make", "build-local"], cwd=ROOT, check=True, capture_output=True)
    checkout = folder / "release"
    checkout.mkdir()
    release.extract(checkout)
    for layer, name in LAYERS.items():
        packages = Path("layers", name, "requirements.txt")
        if (checkout / packages).read_bytes() == (ROOT / packages).read_bytes():
            copy = f'build-{layer}:\n\tcp -R "{ROOT}/.aws-sam/local/build/{layer}/." "$(ARTIFACTS_DIR)"\n'
            (checkout / "layers" / name / "Makefile").write_text(copy, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{ROOT}/.venvs/run/bin:{os.environ['PATH']}",
        "LAYER_PYTHON": str(ROOT / ".venvs" / "ministack" / "bin" / "python"),
        "SAM_CLI_TELEMETRY": "0",
    }
    done = subprocess.run(
        ["sam", "build", "--config-env", "local"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return checkout


def _link_environment(name: str, folder: Path) -> None:
    """Make an environment of links to this checkout's packages, but with the clone's own code instead of this checkout's."""
    source, target = ROOT / ".venvs" / name, folder / ".venvs" / name
    packages = next((source / "lib").glob("python*/site-packages"))
    ours = target / packages.relative_to(source)
    ours.mkdir(parents=True)
    for place, mine in ((source, target), (packages.parent, ours.parent), (packages, ours)):
        for entry in place.iterdir():
            if entry.name not in ("lib", "lib64", "site-packages", "installed", "dropreel-checkout.pth"):
                (mine / entry.name).symlink_to(entry)
    if (packages / "dropreel-checkout.pth").exists():
        code = "\n".join(str(folder / part) for part in (".", "layers/dropreel", "cli"))
        (ours / "dropreel-checkout.pth").write_text(code, encoding="utf-8")
    (target / "installed").touch()
    _make_newer(target / "installed")


def _make_newer(file: Path) -> None:
    os.utime(file, (time.time() + _NEWER,) * 2)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout
