"""What a release is made of: one version, its notes, and a package that needs no build."""

import re
import zipfile
from pathlib import Path

import pytest

from dropreel_cli.release import ReleaseError, check_tag, main, notes, package, released, version

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- a dashboard

## [0.2.0] - 2026-12-24

### Fixed

- the second

## [0.1.0] - 2026-12-01

- the first

[0.1.0]: https://example.com/0.1.0
"""
TEMPLATE = """Metadata:
  AWS::ServerlessRepo::Application:
    LicenseUrl: ../../LICENSE
    ReadmeUrl: ../../README.md
    SemanticVersion: '0.2.0'
Resources:
  OurLayer:
    Properties:
      ContentUri: OurLayer
  Step:
    Properties:
      CodeUri: ../../functions/step
  Machine:
    Properties:
      DefinitionUri: ../../statemachine/machine.asl.json
  Nested:
    Properties:
      Location: Nested/template.yaml
"""
NESTED_TEMPLATE = """Metadata:
  AWS::ServerlessRepo::Application:
    LicenseUrl: ../../../LICENSE
Resources:
  Topic:
    Type: AWS::SNS::Topic
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout that was built, as small as can be."""
    files = {
        "template.yaml": "    SemanticVersion: &version 0.2.0 # the one place\n",
        "LICENSE": "MIT",
        "README.md": "# Dropreel",
        "CHANGELOG.md": CHANGELOG,
        "samconfig.toml": "version = 0.1",
        "functions/step/handler.py": "def handler(): ...",
        "statemachine/machine.asl.json": "{}",
        ".aws-sam/build/template.yaml": TEMPLATE,
        ".aws-sam/build/Nested/template.yaml": NESTED_TEMPLATE,
        ".aws-sam/build/OurLayer/python/ours.py": "",
        ".aws-sam/build/OurLayer/python/__pycache__/ours.cpython-313.pyc": "compiled",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def packaged(checkout: Path) -> Path:
    return package(checkout / ".aws-sam" / "build", checkout / "dist", checkout)


def test_the_version_is_the_templates(checkout):
    assert version(checkout / "template.yaml") == "0.2.0"


def test_a_template_without_a_version_is_refused(checkout):
    (checkout / "template.yaml").write_text("    SemanticVersion: latest\n", encoding="utf-8")

    with pytest.raises(ReleaseError, match="no SemanticVersion"):
        version(checkout / "template.yaml")


def test_a_changelog_names_its_releases_the_newest_first():
    assert released(CHANGELOG) == ["0.2.0", "0.1.0"]


def test_unreleased_is_no_release():
    assert released("# Changelog\n\n## [Unreleased]\n\n- a dashboard\n") == []


def test_a_tag_of_the_topmost_release_is_taken():
    check_tag("v0.2.0", "0.2.0", CHANGELOG)


@pytest.mark.parametrize("tag", ["v0.2.1", "0.2.0", "v0.2.0-rc1", ""])
def test_a_tag_of_another_version_is_refused(tag):
    with pytest.raises(ReleaseError, match=r"the tag must be v0\.2\.0"):
        check_tag(tag, "0.2.0", CHANGELOG)


@pytest.mark.parametrize(("changelog", "has"), [("## [Unreleased]\n", "none"), (CHANGELOG, r"0\.2\.0")])
def test_a_tag_that_the_changelog_does_not_have_on_top_is_refused(changelog, has):
    with pytest.raises(ReleaseError, match=f"must be 0.1.0; it is {has}"):
        check_tag("v0.1.0", "0.1.0", changelog)


def test_the_notes_are_the_versions_own_section():
    assert notes("0.2.0", CHANGELOG) == "### Fixed\n\n- the second"


def test_the_notes_of_the_last_section_end_before_the_links():
    assert notes("0.1.0", CHANGELOG) == "- the first"


def test_notes_of_a_version_without_a_section_are_refused():
    with pytest.raises(ReleaseError, match=r"no section \[0\.3\.0\]"):
        notes("0.3.0", CHANGELOG)


def test_the_package_has_the_template_and_all_that_it_names(checkout):
    archive = zipfile.ZipFile(packaged(checkout))

    assert sorted(archive.namelist()) == [
        "dropreel-0.2.0/CHANGELOG.md",
        "dropreel-0.2.0/LICENSE",
        "dropreel-0.2.0/Nested/LICENSE",
        "dropreel-0.2.0/Nested/template.yaml",
        "dropreel-0.2.0/OurLayer/python/__pycache__/ours.cpython-313.pyc",
        "dropreel-0.2.0/OurLayer/python/ours.py",
        "dropreel-0.2.0/README.md",
        "dropreel-0.2.0/functions/step/handler.py",
        "dropreel-0.2.0/samconfig.toml",
        "dropreel-0.2.0/statemachine/machine.asl.json",
        "dropreel-0.2.0/template.yaml",
    ]


def test_every_path_in_the_packaged_template_leads_into_the_package(checkout):
    packaged(checkout)
    folder = checkout / "dist" / "dropreel-0.2.0"

    def paths(template: Path) -> list[str]:
        lines = template.read_text(encoding="utf-8").splitlines()
        found = [line.partition(": ")[2] for line in lines if re.search(r"(Uri|Url|Location): ", line)]
        assert all((template.parent / path).exists() for path in found)
        return found

    files = ["LICENSE", "README.md", "OurLayer", "functions/step", "statemachine/machine.asl.json"]
    assert paths(folder / "template.yaml") == [*files, "Nested/template.yaml"]
    assert paths(folder / "Nested" / "template.yaml") == ["LICENSE"]


def test_a_path_of_a_kind_that_is_not_known_is_refused(checkout):
    template = checkout / ".aws-sam" / "build" / "template.yaml"
    template.write_text(f"{TEMPLATE}      TemplateURL: ../../nested.yaml\n", encoding="utf-8")

    with pytest.raises(ReleaseError, match="outside of the package"):
        packaged(checkout)


def test_a_missing_file_that_the_template_names_is_refused(checkout):
    (checkout / "LICENSE").unlink()

    with pytest.raises(ReleaseError, match="LICENSE is not there"):
        packaged(checkout)


def test_a_missing_template_of_a_nested_stack_is_refused(checkout):
    (checkout / ".aws-sam" / "build" / "Nested" / "template.yaml").unlink()

    with pytest.raises(ReleaseError, match=r"template.yaml is not there"):
        packaged(checkout)


def test_without_a_build_there_is_no_package(tmp_path):
    with pytest.raises(ReleaseError, match="no build"):
        package(tmp_path, tmp_path / "dist")


def test_the_same_build_gives_the_same_zip(checkout):
    first = packaged(checkout).read_bytes()
    (checkout / ".aws-sam" / "build" / "OurLayer" / "python" / "ours.py").touch()

    assert packaged(checkout).read_bytes() == first


def test_what_an_earlier_package_had_does_not_stay(checkout):
    packaged(checkout)
    (checkout / "dist" / "dropreel-0.2.0" / "stale.py").write_text("", encoding="utf-8")

    assert "dropreel-0.2.0/stale.py" not in zipfile.ZipFile(packaged(checkout)).namelist()


@pytest.mark.parametrize("arguments", [[], ["publish"], ["check-tag"], ["check-tag", "v0"]])
def test_a_wrong_call_ends_with_a_sentence_and_1(arguments, capsys):
    assert main(arguments) == 1
    assert capsys.readouterr().err.strip()
