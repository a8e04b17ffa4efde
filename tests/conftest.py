"""What all tests share: how they are spread over processes, and the closing line about the schedules that were played."""

import pytest
from xdist.scheduler import LoadScopeScheduling

BRING_THEIR_OWN = ("tests/e2e/test_stock_clients.py", "tests/e2e/test_local_runs.py")
"""Tests that start local clouds of their own."""


class OneCloud(LoadScopeScheduling):
    """One process takes all tests that share the local cloud and mostly wait; the others take the rest, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/e2e" if file.startswith("tests/e2e/") and file not in BRING_THEIR_OWN else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneCloud:
    """Spread the tests, those of the local cloud first: `--no-loadscope-reorder` keeps the order of the folders."""
    return OneCloud(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many schedules of deaths, duplicates and orders were played."""
    reports = terminalreporter.stats.get("passed", [])
    schedules = sum(value for report in reports for name, value in report.user_properties if name == "schedules")
    if schedules:
        terminalreporter.write_line(f"{schedules} schedules of deaths, duplicates and orders were played")
