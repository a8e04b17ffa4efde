"""`make audit` is green only where every package of every lock file was looked up."""

import json
from typing import Any

from tests.lint.audit import LOCK_FILES, findings, lock_files, verdict
from tests.unit.template.resolved import ROOT

CLEAN: dict[str, Any] = {"name": "idna", "version": "3.20", "vulns": []}
VULNERABLE: dict[str, Any] = {
    "name": "urllib3",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": ""}],
}
SKIPPED = {
    "name": "requests",
    "skip_reason": "Dependency not found on PyPI and could not be audited: requests (2.34.2)",
}


def answer(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_lock_file_without_findings_is_fine():
    assert verdict("a.txt", answer(CLEAN), "No known vulnerabilities found") is None


def test_a_vulnerable_package_is_named_with_its_fix():
    assert verdict("a.txt", answer(CLEAN, VULNERABLE), "") == "a.txt: urllib3 1.0 has PYSEC-2026-1; fixed in 1.1, 2.0"


def test_a_package_that_was_not_looked_up_is_no_success():
    said = verdict("a.txt", answer(CLEAN, SKIPPED), "No known vulnerabilities found")

    assert said is not None
    assert "not checked" in said
    assert "requests" in said


def test_without_a_network_it_says_so():
    said = verdict("a.txt", "", "Traceback ...\nConnectionError: failed to resolve the name\n")

    assert said is not None
    assert "not checked" in said
    assert said.endswith("(ConnectionError: failed to resolve the name)")


def test_a_vulnerability_without_a_fix_is_named():
    vulnerable = {**VULNERABLE, "vulns": [{**VULNERABLE["vulns"][0], "fix_versions": []}]}

    assert findings({"dependencies": [vulnerable]}).vulnerable == ("urllib3 1.0 has PYSEC-2026-1; fixed in no version",)


def test_every_lock_file_is_audited():
    found = {path.relative_to(ROOT).as_posix() for path in lock_files(ROOT)}

    hashed = {
        path.relative_to(ROOT).as_posix()
        for folder in ("requirements", "layers")
        for path in (ROOT / folder).rglob("*.txt")
        if "--hash=" in path.read_text(encoding="utf-8")
    }
    assert found == hashed
    assert len(LOCK_FILES) == 2
