"""`make mutants`: changes the code in small ways and shows which changes no test notices.

`python -m tests.mutants [NAME ...]` takes names of modules.toml, all without any. It exits with 1 where a survivor is not
among the reviewed ones of equivalent.toml, and with 2 where it could not run.
"""

import gc
import importlib
import json
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.mutants.play import ROOT, SURVIVED, BrokenRun, Module, Mutant, copies, longest_seconds, played

HERE = Path(__file__).parent
OUTPUT = ROOT / ".local" / "mutants"
MUTATE = (str(ROOT / ".venvs" / "mutation" / "bin" / "python"), str(HERE / "mutate.py"))
LOADED_BEFORE = (
    "boto3",
    "cfnlint.decode.cfn_yaml",
    "hypothesis",
    "moto",
    "moto.dynamodb",
    "numpy",
    "PIL.Image",
    "requests",
)
"""Third-party modules that most tests import: imported once, not for each mutant."""


def main(names: Sequence[str]) -> int:
    """Run the tests against the mutants of the named modules, and write a report of each."""
    every = modules()
    unknown = [name for name in names if name not in every]
    if unknown:
        _print(f"There is no {', '.join(unknown)}; there are {', '.join(every)}.")
        return 2
    for name in LOADED_BEFORE:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # otherwise the garbage collector of each run scans all of it
    try:
        trees = copies(OUTPUT)
        faults = sum([_play(every[name], trees) for name in names or every])
    except BrokenRun as fault:
        _print(str(fault))
        return 2
    _print(f"The reports are in {OUTPUT.relative_to(ROOT)}/.")
    return 1 if faults else 0


def modules(path: Path = HERE / "modules.toml") -> dict[str, Module]:
    """Return the modules of a file such as modules.toml, by name."""
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Module(name, one["file"], tuple(one["tests"])) for name, one in read["modules"].items()}


def reviewed(path: Path = HERE / "equivalent.toml") -> list[dict[str, str]]:
    """Return the entries of equivalent.toml."""
    found: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    return found


def compare(
    survivors: Sequence[Mutant], entries: Sequence[dict[str, str]]
) -> tuple[list[Mutant], list[dict[str, str]]]:
    """Return the survivors that no entry names, by line, and the entries that name no survivor."""
    keys = ("where", "was", "now")
    survived = {tuple(getattr(mutant, key) for key in keys) for mutant in survivors}
    known = {tuple(entry[key] for key in keys) for entry in entries}
    new = [mutant for mutant in survivors if tuple(getattr(mutant, key) for key in keys) not in known]
    stale = [entry for entry in entries if tuple(entry[key] for key in keys) not in survived]
    return sorted(new, key=lambda mutant: mutant.line), stale


def _play(module: Module, trees: Sequence[Path]) -> int:
    """Run one module's mutants; return the number of survivors without a review plus that of reviews without a survivor."""
    began = time.monotonic()
    mutants = _mutants(module)
    ends: Counter[str] = Counter()
    survivors = []
    for mutant, outcome in played(module, mutants, trees, longest_seconds(module, trees)):
        ends[outcome] += 1
        if outcome == SURVIVED:
            survivors.append(mutant)
        if sys.stdout.isatty():
            sys.stdout.write(f"\r{module.name}: {ends.total()} of {len(mutants)}, {ends[SURVIVED]} survived")
            sys.stdout.flush()
    for tree in trees:
        (tree / module.file).write_bytes((ROOT / module.file).read_bytes())
    new, stale = compare(survivors, [entry for entry in reviewed() if entry["file"] == module.file])
    figures = (
        f"{module.name}: {len(mutants)} mutants, {', '.join(f'{ends[end]} {end}' for end in sorted(ends))}, "
        f"{len(survivors) - len(new)} of them reviewed, {(time.monotonic() - began) / 60:.1f} minutes"
    )
    _print(("\r" if sys.stdout.isatty() else "") + figures)
    for mutant in new:
        _print(f"  {module.file}:{mutant.line} {mutant.where}")
    for entry in stale:
        _print(f"  equivalent.toml: no survivor is {entry['now']!r} in {entry['where'] or module.file}")
    report = [f"# {figures}", *(_section(module, mutant) for mutant in new)]
    (OUTPUT / f"{module.name}.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")
    return len(new) + len(stale)


def _mutants(module: Module) -> list[Mutant]:
    done = subprocess.run([*MUTATE, str(ROOT / module.file)], stdout=subprocess.PIPE, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [Mutant(**one) for one in found]


def _section(module: Module, mutant: Mutant) -> str:
    """Return a survivor's part of the report, with its entry for equivalent.toml."""
    fields = {"file": module.file, "where": mutant.where, "was": mutant.was, "now": mutant.now, "why": ""}
    entry = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return (
        f"## {module.file}:{mutant.line} {mutant.where}\n\n```diff\n{mutant.diff}\n```\n\n"
        f"```toml\n[[equivalent]]\n{entry}\n```"
    )


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
