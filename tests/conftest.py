"""For all suites: how tests are spread over processes, and the summary line of the fault schedules."""

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.shared_loader import share_loader

OWN_CLOUDS = tuple(
    f"tests/e2e/test_{name}.py" for name in ("stock_clients", "local_runs", "command_up", "operations_deploys")
)
"""Tests that start local clouds of their own."""
WITH_COMMANDS = (
    "test_command_",
    "test_deploy",
    "test_names_and_copies",
    "test_photographs",
    "test_recipes",
    "test_operations_page",
)
"""Files that run in the second shared cloud, so that both take about as long."""


class SharedClouds(LoadScopeScheduling):
    """Three processes, each with a local cloud, run the tests that share it and mostly wait; the rest is spread file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not file.startswith("tests/e2e/") or file in OWN_CLOUDS:
            return file
        if file.startswith("tests/e2e/board/"):
            return "tests/e2e/board"
        return "tests/e2e/test_command" if file.removeprefix("tests/e2e/").startswith(WITH_COMMANDS) else "tests/e2e"


def pytest_configure() -> None:
    """Parse the descriptions of AWS's services once a process."""
    share_loader()


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedClouds:
    """Spread the tests, those of the local cloud first: `--no-loadscope-reorder` keeps the order of the folders."""
    return SharedClouds(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many schedules of kills, duplicates and orders were run."""
    reports = terminalreporter.stats.get("passed", [])
    schedules = sum(value for report in reports for name, value in report.user_properties if name == "schedules")
    if schedules:
        terminalreporter.write_line(f"{schedules} schedules of kills, duplicates and orders were run")
