"""Run pip-audit over every lock file: `python -m tests.lint.audit <pip-audit>`. It needs a network.

pip-audit ends with 0 where it looked nothing up: behind a mirror of the index that has no advisories, it skips each package
and finds nothing. So its answer is read, and what was not looked up is an error, too.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK_FILES = ("requirements/*.txt", "layers/*/requirements.txt")


@dataclass(frozen=True)
class Finding:
    """What one lock file's answer says: vulnerable packages, a line each, and the names of those not looked up."""

    vulnerable: tuple[str, ...]
    not_checked: tuple[str, ...]


def main(pip_audit: str) -> int:
    """Return 0 where every package was looked up and none is vulnerable, 1 otherwise."""
    failed = False
    for lock in lock_files(Path()):
        command = [pip_audit, "--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        done = subprocess.run([*command, "--requirement", str(lock)], capture_output=True, text=True, check=False)
        line = verdict(str(lock), done.stdout, done.stderr)
        sys.stdout.write((line or f"{lock}: nothing known against its packages") + "\n")
        failed = failed or line is not None
    return 1 if failed else 0


def lock_files(root: Path) -> list[Path]:
    """Return every lock file of the repository."""
    return sorted(path for pattern in LOCK_FILES for path in root.glob(pattern))


def verdict(lock: str, answer: str, errors: str) -> str | None:
    """Return what is wrong with a lock file, or None where every package was looked up and none is vulnerable."""
    try:
        found = findings(json.loads(answer))
    except ValueError:
        cause = errors.strip().rpartition("\n")[2] or "no answer"
        return f"{lock}: not checked: no advisories can be reached from here ({cause})"
    lines = [f"{lock}: {one}" for one in found.vulnerable]
    if found.not_checked:
        count, names = len(found.not_checked), ", ".join(found.not_checked[:3])
        lines.append(f"{lock}: not checked: the index has no advisories for {count} of its packages ({names}, ...)")
    return "\n".join(lines) or None


def findings(answer: dict[str, Any]) -> Finding:
    """Read pip-audit's JSON."""
    vulnerable, skipped = [], []
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
        for one in package.get("vulns", []):
            fixed = ", ".join(one["fix_versions"]) or "no version"
            vulnerable.append(f"{package['name']} {package['version']} has {one['id']}; fixed in {fixed}")
    return Finding(tuple(vulnerable), tuple(skipped))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
