"""What all tests share: the closing line about the schedules of deaths that were played."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many schedules of deaths, duplicates and orders were played."""
    reports = terminalreporter.stats.get("passed", [])
    schedules = sum(value for report in reports for name, value in report.user_properties if name == "schedules")
    if schedules:
        terminalreporter.write_line(f"{schedules} schedules of deaths, duplicates and orders were played")
