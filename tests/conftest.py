"""For all suites: how tests are spread over processes, and the summary line of the fault schedules."""

import pytest
from xdist.scheduler import LoadScopeScheduling

OWN_CLOUDS = ("tests/e2e/test_stock_clients.py", "tests/e2e/test_local_runs.py")
"""Tests that start local clouds of their own."""


class OneCloud(LoadScopeScheduling):
    """One process runs all tests that share the local cloud and mostly wait; the others run the rest, file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/e2e" if file.startswith("tests/e2e/") and file not in OWN_CLOUDS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneCloud:
    """Spread the tests, those of the local cloud first: `--no-loadscope-reorder` keeps the order of the folders."""
    return OneCloud(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many schedules of kills, duplicates and orders were run."""
    reports = terminalreporter.stats.get("passed", [])
    schedules = sum(value for report in reports for name, value in report.user_properties if name == "schedules")
    if schedules:
        terminalreporter.write_line(f"{schedules} schedules of kills, duplicates and orders were run")
