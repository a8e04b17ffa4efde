"""One version: template.yaml has it, and what a release shows agrees with it."""

import re
import tomllib

import pytest

from dropreel_cli.release import released, version
from tests.unit.template.resolved import ROOT, nested, translated, written

APPLICATION = written()["Metadata"]["AWS::ServerlessRepo::Application"]
NESTED_APPLICATIONS = [one["Metadata"]["AWS::ServerlessRepo::Application"] for one in nested().values()]


def agrees(current: str, changelog: str) -> bool:
    """Whether the topmost release of a changelog, where it has one, is the current version.

    While that version is in the making, the changelog has its changes as unreleased, above the lower version before it.
    """
    topmost = released(changelog)[:1]
    unreleased = changelog.partition("## [Unreleased]\n")[2].partition("\n## ")[0].strip()
    return topmost in ([], [current]) or (bool(unreleased) and numbers(topmost[0]) < numbers(current))


def numbers(of: str) -> list[int]:
    return [int(number) for number in of.split(".")]


def test_the_output_and_the_application_have_one_version():
    assert written()["Outputs"]["Version"]["Value"] == APPLICATION["SemanticVersion"] == version()


def test_the_output_is_text_where_cloudformation_reads_it():
    assert translated()["Outputs"]["Version"]["Value"] == version()


def test_the_changelogs_topmost_release_is_the_version():
    assert agrees(version(), (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("## [Unreleased]\n", True),
        ("## [Unreleased]\n\n## [0.2.0] - 2026-12-24\n\n## [0.1.0] - 2026-12-01\n", True),
        ("## [Unreleased]\n\n## [0.1.0] - 2026-12-01\n", False),
        ("## [0.3.0] - 2026-12-31\n\n## [0.2.0] - 2026-12-24\n", False),
        ("## [Unreleased]\n\n- a change\n\n## [0.1.0] - 2026-12-01\n", True),
        ("## [Unreleased]\n\n- a change\n\n## [0.10.0] - 2026-12-01\n", False),
    ],
)
def test_a_release_of_another_version_on_top_is_seen(changelog, expected):
    assert agrees("0.2.0", changelog) is expected


def test_before_the_first_release_the_version_is_0_1_0():
    if not released((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        assert version() == "0.1.0"


def test_pyproject_has_no_version_of_its_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert "version" not in project
    assert "version" in project["dynamic"]


def test_no_source_file_repeats_the_version():
    folders = ("layers", "functions", "statemachine", "cli", "local", "events")
    sources = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".json", ".toml")
    ]
    sources += [ROOT / "pyproject.toml", ROOT / "samconfig.toml"]

    assert [path for path in sources if re.search(rf"[\"']v?{re.escape(version())}[\"']", path.read_text())] == []


@pytest.mark.parametrize("application", [APPLICATION, *NESTED_APPLICATIONS], ids=lambda one: one["Name"])
def test_the_serverless_application_repository_takes_the_metadata(application):
    # Patterns and lengths of CreateApplication in its API reference.
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", application["Name"])
    assert re.fullmatch(r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", application["Author"])
    assert 1 <= len(application["Description"]) <= 256
    assert len(application.get("Labels", [])) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+\-_:/@]{1,127}", label) for label in application.get("Labels", []))


@pytest.mark.parametrize("name", ["LicenseUrl", "ReadmeUrl"])
@pytest.mark.parametrize("application", [APPLICATION, *NESTED_APPLICATIONS], ids=lambda one: one["Name"])
def test_a_file_that_the_metadata_names_is_there(application, name):
    assert (ROOT / application[name]).is_file()


def test_the_nested_applications_get_their_version_when_they_are_published():
    """So that the version stays in one place."""
    assert len(NESTED_APPLICATIONS) == 3
    assert [one["Name"] for one in NESTED_APPLICATIONS if "SemanticVersion" in one] == []


def test_the_license_file_is_the_named_one():
    assert {one["SpdxLicenseId"] for one in (APPLICATION, *NESTED_APPLICATIONS)} == {"MIT"}
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
