"""The command line as a whole: its help, unknown names, and what is imported to answer at once."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dropreel_cli import app
from dropreel_cli.app import GROUPS, application
from dropreel_cli.command_line import Command, print_document, print_failure
from dropreel_cli.exits import Exit

ROOT = Path(__file__).resolve().parents[3]
NAMES = application.list_commands(click.Context(application))
HEAVY = ("boto3", "botocore", "rich", "dropreel", "yaml", "requests", "av", "PIL")
"""What none of the answers at once may import."""

PRINTS = """
import sys
from dropreel_cli import app, command_line
app.application.get_command = lambda *_: command_line.command("jobs", examples=[])(lambda: command_line.print_document({}))
sys.exit(app.main(["jobs"]))
"""
"""A program whose command prints a document."""


def command(name: str) -> Command:
    found = application.get_command(click.Context(application), name)
    assert isinstance(found, Command)
    return found


def test_without_arguments_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main([]) == Exit.DONE

    printed = capsys.readouterr()
    assert printed.out.startswith("Usage: dropreel [OPTIONS] COMMAND")
    assert printed.err == ""


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("deplyo", "There is no command 'deplyo'. Did you mean deploy?"),
        ("dwon", "There is no command 'dwon'. Did you mean down?"),
        ("xyzzy", "There is no command 'xyzzy'. `dropreel --help` lists them."),
    ],
)
def test_an_unknown_command_suggests_similar_names(
    name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main([name]) == Exit.USAGE
    assert sentence in capsys.readouterr().err


def test_each_command_is_in_one_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]

    assert len(grouped) == len(set(grouped))
    assert set(NAMES) <= set(grouped)


@pytest.mark.parametrize("name", NAMES)
def test_examples_fit_a_terminal_and_the_sentence_is_whole(name: str) -> None:
    assert not command(name).get_short_help_str(90).endswith("...")
    assert [each for each in command(name).examples if len(each) > 76] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_a_sentence_and_an_example(name: str) -> None:
    found = command(name)

    assert found.help
    assert re.fullmatch(r"[A-Z][^.]+[.:][^\n]*", found.help.splitlines()[0])
    assert found.examples
    assert any(re.search(rf"\bdropreel {name}\b", example) for example in found.examples)


@pytest.mark.parametrize("name", NAMES)
def test_each_option_has_a_help_text(name: str) -> None:
    options = [one for one in command(name).params if isinstance(one, click.Option)]

    assert [one.name for one in options if not one.help] == []


@pytest.mark.parametrize("arguments", [["--help"], ["completion", "bash"], *([name, "--help"] for name in NAMES)])
def test_an_answer_at_once_imports_no_library_but_click(arguments: list[str]) -> None:
    script = (
        "import sys; from dropreel_cli.app import main; status = main(sys.argv[1:]);"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr); sys.exit(status)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers/dropreel'}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stderr == "[]\n"


def test_a_completion_imports_no_library_but_click() -> None:
    script = (
        "import atexit, sys; from dropreel_cli.app import main;"
        f"atexit.register(lambda: print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)); main([])"
    )
    words = {"_DROPREEL_COMPLETE": "bash_complete", "COMP_WORDS": "dropreel de", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **words, "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers/dropreel'}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stdout == "plain,deploy\n"
    assert done.stderr == "[]\n"


# --- standard streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">/dev/full", "2>/dev/full"])
def test_a_wrong_call_has_its_exit_status_whatever_the_streams_are(redirection: str) -> None:
    # given a standard stream that is closed, or a full disk
    line = f"{sys.executable} -m dropreel_cli jobs --since bad --json {redirection}"
    # when the command is called wrongly
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    # then it ends with its status and no traceback
    assert done.returncode == Exit.USAGE
    assert "Traceback" not in done.stderr


def test_a_document_whose_reader_has_ended_does_not_fail() -> None:
    # given a pipe that nothing reads any more
    reader, writer = os.pipe()
    os.close(reader)
    # when a document is printed into it
    with os.fdopen(writer, "w") as broken:
        done = subprocess.run([sys.executable, "-c", PRINTS], stdout=broken, stderr=subprocess.PIPE, check=False)
    # then the command ends as it would with `head` behind its text
    assert (done.returncode, done.stderr) == (Exit.DONE, b"")


def test_a_document_is_escaped_where_the_encoding_lacks_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a standard output in ASCII
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    # when a document has characters that are not in it, and half of a pair
    print_document({"key": "caf\xe9 \udcff"})
    # then it is JSON all the same
    assert json.loads(written.getvalue()) == {"version": 1, "key": "caf\xe9 \udcff"}


def test_a_failure_prints_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_failure("no a\x1b[31m\u202eb\nNext line", Exit.USAGE, is_json=False)
    assert capsys.readouterr().err.endswith("no a\\x1b[31m\\u202eb\nNext line\n")


def test_a_failure_prints_tabs_as_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_failure("Choose from:\n\toperator,\n\treader", Exit.USAGE, is_json=False)
    assert capsys.readouterr().err.endswith("Choose from:\n  operator,\n  reader\n")
