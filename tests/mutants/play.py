"""Runs a module's tests against each of its mutants, in copies of the checkout: one copy for each test run at a time."""

import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AT_A_TIME = 2
PATHS = ("", "layers/dropreel")
"""Where a checkout's code is imported from."""
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venvs", ".local", ".aws-sam", ".hypothesis", ".*_cache", "__pycache__", "output"
)
_TIMES = itertools.count(int(time.time()))
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"


@dataclass(frozen=True)
class Mutant:
    """One change of a file: `code` is the file's whole text, `was` and `now` are the changed lines without indentation."""

    line: int
    where: str
    was: str
    now: str
    diff: str
    code: str


@dataclass(frozen=True)
class Module:
    """A file that is mutated and the arguments of pytest that choose its tests; both are relative to the checkout."""

    name: str
    file: str
    tests: tuple[str, ...]


@dataclass
class _Run:
    process: BaseProcess
    tree: Path
    mutant: Mutant
    end: float

    @property
    def pid(self) -> int:
        """Of the process and of its group: it has been started."""
        assert self.process.pid
        return self.process.pid


class BrokenRun(Exception):
    """The tests cannot notice a mutant."""


def copies(folder: Path, root: Path = ROOT) -> list[Path]:
    """Copy the checkout into a folder, once for each run at a time."""
    shutil.rmtree(folder, ignore_errors=True)
    return [Path(shutil.copytree(root, folder / f"tree-{n}", ignore=LEFT_OUT)) for n in range(AT_A_TIME)]


def longest_seconds(module: Module, trees: Sequence[Path]) -> float:
    """Return how long the tests may take, from a run without a mutant. Raises BrokenRun if they fail, or import another copy."""
    text = (trees[0] / module.file).read_text(encoding="utf-8")
    whole = Mutant(0, "", "", "", "", text)
    began = time.monotonic()
    if any(outcome != SURVIVED for _, outcome in played(module, [whole] * len(trees), trees, 900)):
        raise BrokenRun(f"the tests of {module.name} fail as they are; see {trees[0].parent}/tree-*.log")
    seconds = 10 + 3 * (time.monotonic() - began)
    broken = Mutant(0, "", "", "", "", f"raise ImportError('a mutant')\n{text}")
    if any(outcome == SURVIVED for _, outcome in played(module, [broken], trees, seconds)):
        raise BrokenRun(f"the tests of {module.name} do not import {module.file}")
    return seconds


def played(
    module: Module, mutants: Iterable[Mutant], trees: Sequence[Path], seconds: float
) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant with its outcome, in the order in which the runs end. A run is killed after so many seconds."""
    fork = multiprocessing.get_context("fork")  # pytest and what it loads are there already
    todo, free, runs = iter(mutants), list(trees), list[_Run]()
    try:
        while True:
            while free and (mutant := next(todo, None)):
                tree = free.pop()
                write(tree / module.file, mutant.code)
                process = fork.Process(target=_run_tests, args=(tree, module.tests))
                process.start()
                runs.append(_Run(process, tree, mutant, time.monotonic() + seconds))
            if not runs:
                return
            wait([run.process.sentinel for run in runs], 0.5)
            for run in list(runs):
                outcome = _outcome(run)
                if outcome:
                    runs.remove(run)
                    free.append(run.tree)
                    yield run.mutant, outcome
    finally:
        for run in runs:
            _end(run)


def write(path: Path, code: str) -> None:
    """Write a file with a new modification time: otherwise Python could use the compiled code of an earlier mutant."""
    path.write_text(code, encoding="utf-8")
    modified_at = next(_TIMES)
    os.utime(path, (modified_at, modified_at))


def _outcome(run: _Run) -> str | None:
    if run.process.exitcode is not None:
        return KILLED if run.process.exitcode else SURVIVED
    if time.monotonic() < run.end:
        return None
    _end(run)
    return TIMED_OUT


def _end(run: _Run) -> None:
    """End a run and all that its tests have started."""
    with suppress(ProcessLookupError):  # it has ended, or has not set its group yet
        os.killpg(run.pid, signal.SIGKILL)
    run.process.kill()
    run.process.join()


def _run_tests(tree: Path, tests: Sequence[str]) -> None:
    """Run the copy's tests in this process until the first that fails, importing nothing of the checkout."""
    os.setsid()
    os.chdir(tree)
    with tree.with_suffix(".log").open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    theirs = {Path(ROOT, path) for path in PATHS}
    sys.path[:] = [*(str(tree / path) for path in PATHS), *(path for path in sys.path if Path(path) not in theirs)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "dropreel")]:
        del sys.modules[name]
    sys.pycache_prefix, sys.dont_write_bytecode = None, False
    # The test that failed last runs first: it mostly kills the next mutant too.
    plugins = ["-p", "no:anyio", "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is loaded already
    sys.exit(int(pytest.main(["-x", "-q", "--ff", "--tb=short", *plugins, *tests])))
