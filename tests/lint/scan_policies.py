"""Scan policies of IAM with parliament and cloudsplaining: `python scan_policies.py <folder of policies> <templates>`.

Run by the scanners' own interpreter, offline. Each statement is scanned alone, so that a finding names it. A finding is
suppressed where the statement is written, by a comment in a template: `# parliament: <issue> <Sid>: <reason>`, or
`# cloudsplaining: ...`. A suppression without a finding is an error, too.
"""

import json
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_SUPPRESSION = re.compile(r"# (parliament|cloudsplaining): (\w+) (\w+): \S")
_ESCALATION = "allows_privilege_escalation"
"""It can take several statements."""


class Finding(NamedTuple):
    """What a scanner says about a statement."""

    scanner: str
    issue: str
    sid: str
    detail: str = ""
    policy: str = ""


def main(folder: Path, templates: list[Path]) -> int:
    """Return 0 where nothing is found that is not suppressed, and nothing is suppressed that is not found; 1 otherwise."""
    policies = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    if not policies:
        sys.stdout.write(f"{folder} has no policies\n")
        return 1
    found = [one for name, policy in policies.items() for one in findings(name, policy)]
    wrong = faults(found, suppressions("\n".join(path.read_text(encoding="utf-8") for path in templates)))
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


def suppressions(text: str) -> set[tuple[str, ...]]:
    """Return scanner, issue and Sid of each suppression in the templates' text."""
    return set(_SUPPRESSION.findall(text))


def faults(found: list[Finding], suppressed: set[tuple[str, ...]]) -> list[str]:
    """Return a line for each finding that is not suppressed, and for each suppression that has no finding."""
    lines = [
        f"{one.policy}: {one.scanner}: {one.issue} in the statement {one.sid}: {one.detail}"
        for one in found
        if one[:3] not in suppressed
    ]
    unused = suppressed - {one[:3] for one in found}
    return lines + [f"nothing is found any more: delete the comment '# {' '.join(one)}'" for one in sorted(unused)]


def findings(name: str, policy: dict[str, Any]) -> Iterator[Finding]:
    """Return what both scanners find in a policy, statement by statement, and in its statements together."""
    for statement in policy["Statement"]:
        alone = {**policy, "Statement": [statement]}
        for one in _scanned(alone):
            yield one._replace(policy=name, sid=statement["Sid"])
    for one in _scanned(policy):
        if one.issue == _ESCALATION:
            yield one._replace(policy=name, sid="all")


def _scanned(policy: dict[str, Any]) -> Iterator[Finding]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parliament about setuptools
        import parliament
        from cloudsplaining.scan.policy_document import PolicyDocument
    for one in parliament.analyze_policy_string(json.dumps(policy)).findings:
        yield Finding("parliament", one.issue, "", str(one.detail))
    document = PolicyDocument(policy)
    for issue in (
        "credentials_exposure",
        "infrastructure_modification",
        "service_wildcard",
        "allows_data_exfiltration_actions",
        _ESCALATION,
        "permissions_management_without_constraints",
        "tagging_actions_without_constraints",
        "write_actions_without_constraints",
    ):
        if risky := getattr(document, issue):
            yield Finding("cloudsplaining", issue, "", ", ".join(map(str, risky)))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]]))
