"""Runs the checks, and prints each as it ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.text import Text

from dropreel_cli.diagnosis import CHECKS
from dropreel_cli.diagnosis.check import Check, Finding, Site, Status
from dropreel_cli.diagnosis.end_to_end import check_end_to_end, refuse_unless_free
from dropreel_cli.exits import Exit
from dropreel_cli.rehearsals import REHEARSAL_NOTICE, is_rehearsal

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output

_MARKS = {Status.OK: ("✓", "green"), Status.FAILED: ("✗", "red"), Status.SKIPPED: ("–", "yellow")}
_WORDS = {Status.OK: "ok", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}
_NAME_WIDTH = 18


def diagnose(options: StackOptions, output: Output, *, end_to_end: bool) -> Exit:
    """Run every check in order; return FAILED if one of them failed."""
    site = Site(options.connect(), options)
    if is_rehearsal(site.stack):
        output.note(REHEARSAL_NOTICE, "bold yellow")
    checks = CHECKS
    if end_to_end:
        refuse_unless_free(site)
        checks = (*CHECKS, Check("end to end", check_end_to_end))
    found: list[tuple[Check, Finding]] = []
    for check in checks:
        with output.progress.status(f"checking {check.name}"):
            finding = check.run(site)
        found.append((check, finding))
        output.show(_line(check, finding))
    documents = [
        {"name": check.name, "status": finding.status.value, "message": finding.message, "next_step": finding.next_step}
        for check, finding in found
    ]
    output.document({"rehearsal": is_rehearsal(site.stack), "checks": documents})
    return Exit.FAILED if any(finding.status is Status.FAILED for _, finding in found) else Exit.DONE


def _line(check: Check, finding: Finding) -> Text:
    mark, style = _MARKS[finding.status]
    label = mark if sys.stdout.isatty() else f"{_WORDS[finding.status]:7}"
    line = Text().append(label, style).append(f" {check.name:{_NAME_WIDTH}} ", "bold").append(finding.message)
    if finding.next_step:
        line.append(f"\n{' ' * (len(label) + 1)}→ {finding.next_step}")
    return line
