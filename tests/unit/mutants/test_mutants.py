"""`make mutants`: its tables name existing files, and its runs test the changed copy alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.__main__ import compare, modules, reviewed
from tests.mutants.play import ROOT, Mutant, write

RULE = "def is_cheap(cents):\n    return cents < 100\n"
TESTS = "from dropreel.rule import is_cheap\n\n\ndef test_cheap():\n    assert is_cheap(99)\n"
RUN = """
import json, sys
from pathlib import Path
from tests.mutants.play import BrokenRun, Module, Mutant, copies, longest_seconds, played
root, seconds, *codes = sys.argv[1:]
module = Module("rule", "layers/dropreel/dropreel/rule.py", ("tests/test_rule.py",))
trees = copies(Path(root, "out"), Path(root, "checkout"))
try:
    longest = longest_seconds(module, trees)
    mutants = [Mutant(n, "", "", "", "", code) for n, code in enumerate(codes)]
    ends = {one.line: end for one, end in played(module, mutants, trees, float(seconds))}
    print(json.dumps([ends[n] for n in sorted(ends)]))
except BrokenRun as fault:
    print(json.dumps(str(fault)))
"""


def run_mutants(tmp_path: Path, *codes: str, tests: str = TESTS, seconds: int = 60) -> list[str] | str:
    """Run the tests of a module with one rule against its mutants, in a process of its own: it forks."""
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib', '-p', 'no:cacheprovider']\n",
        "layers/dropreel/dropreel/__init__.py": "",
        "layers/dropreel/dropreel/rule.py": RULE,
        "tests/test_rule.py": tests,
    }
    for name, text in files.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", RUN, str(tmp_path), str(seconds), *codes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[str] | str = json.loads(done.stdout)
    return answer


def test_a_mutant_is_killed_by_a_red_test_and_survives_green_ones(tmp_path: Path) -> None:
    codes = [RULE.replace("<", ">"), RULE.replace("<", "<="), "import nothing_of_the_kind\n", RULE]

    assert run_mutants(tmp_path, *codes) == ["killed", "survived", "killed", "survived"]


def test_a_mutant_that_never_ends_is_ended(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, "while True: pass\n", seconds=3) == ["timed out"]


def test_two_mutants_of_the_same_size_never_have_the_same_time(tmp_path: Path) -> None:
    times = []
    for code in ("1 < 2", "1 > 2"):
        write(tmp_path / "rule.py", code)
        times.append(int((tmp_path / "rule.py").stat().st_mtime))

    assert len(set(times)) == 2, "Python takes what it compiled before by size and second"


@pytest.mark.parametrize(
    ("tests", "fault"),
    [
        ("def test_nothing():\n    assert False\n", "the tests of rule fail as they are"),
        ("def test_nothing():\n    assert True\n", "the tests of rule do not import layers/dropreel/dropreel/rule.py"),
    ],
)
def test_tests_that_cannot_notice_a_mutant_are_refused(tmp_path: Path, tests: str, fault: str) -> None:
    assert fault in run_mutants(tmp_path, tests=tests)


def test_an_unreviewed_survivor_and_a_stale_review_are_faults() -> None:
    first, second = (Mutant(line, "wait", "wait(1)", f"wait({line})", "", "") for line in (2, 3))
    entry = {"where": "wait", "was": "wait(1)", "now": "wait(2)", "why": "It makes no difference."}
    stale = {**entry, "now": "wait(9)"}

    assert compare([second, first], []) == ([first, second], [])
    assert compare([second, first], [entry, stale]) == ([second], [stale])
    assert compare([first], [entry]) == ([], [])


def test_the_table_names_files_and_tests_that_exist() -> None:
    for module in modules().values():
        paths = [module.file, *(test.removeprefix("--deselect=").partition("::")[0] for test in module.tests)]
        assert [path for path in paths if not (ROOT / path).is_file()] == [], module.name


def test_every_use_case_is_in_the_table() -> None:
    folder = ROOT / "layers" / "dropreel" / "dropreel" / "use_cases"
    use_cases = set(folder.glob("[!_]*.py")) - {folder / "ports.py"}  # protocols: they have no code to mutate
    listed = {module.file for module in modules().values()}

    assert {str(path.relative_to(ROOT)) for path in use_cases} <= listed


def test_every_reviewed_survivor_has_a_reason_and_an_existing_line() -> None:
    listed = {module.file for module in modules().values()}
    for entry in reviewed():
        assert entry["file"] in listed
        assert entry["why"].endswith("."), entry
        lines = {line.strip() for line in (ROOT / entry["file"]).read_text(encoding="utf-8").splitlines()}
        assert set(entry["was"].splitlines()) <= lines, entry
