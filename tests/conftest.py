"""What all tests share: which suites stay in one process, and the closing line about the schedules of deaths that were played."""

import pytest

ONE_PROCESS = ("tests/e2e/", "tests/integration/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each suite that starts servers in one process, so that it starts them once (`pytest -n 2 --dist loadgroup`)."""
    for item in items:
        for suite in ONE_PROCESS:
            if item.nodeid.startswith(suite):
                item.add_marker(pytest.mark.xdist_group(suite))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many schedules of deaths, duplicates and orders were played."""
    reports = terminalreporter.stats.get("passed", [])
    schedules = sum(value for report in reports for name, value in report.user_properties if name == "schedules")
    if schedules:
        terminalreporter.write_line(f"{schedules} schedules of deaths, duplicates and orders were played")
