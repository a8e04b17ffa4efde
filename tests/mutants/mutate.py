"""Writes the mutants of one file as JSON: `.venvs/mutation/bin/python tests/mutants/mutate.py FILE`.

The changes are mutmut's operators. Its runner is not used: it mutates the bodies of undecorated functions alone, and our rules
also stand in properties, tables and constants.
"""

import ast
import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from mutmut.mutation.mutators import mutation_operators


class Finder(cst.CSTVisitor):
    """Collects each node that can be changed, with what it is changed into."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.Annotation, cst.Decorator)):
            return False
        if m.matches(node, m.Call(func=m.Name("cast"))):  # its first argument is for the type checker alone
            node.args[1].visit(self)
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(node, changed) for changed in operator(node) if not _is_case_alone(node, changed)]
        return True


def mutants_of(text: str) -> Iterator[dict[str, object]]:
    """Yield the mutants of a file's text, each once: `code` is the whole text, the rest says what is changed and where."""
    module, finder, seen = cst.parse_module(text), Finder(), {text}
    module.visit(finder)
    for node, changed in finder.found:
        code = module.deep_replace(node, changed).code
        if code not in seen and _is_python(code):
            seen.add(code)
            yield {**_described(text, code), "code": code}


def _is_case_alone(node: cst.CSTNode, changed: cst.CSTNode) -> bool:
    """mutmut changes a text in three ways; one is enough, and DynamoDB reads its keywords in any case."""
    return isinstance(node, cst.SimpleString) and node.value.lower() == changed.value.lower()


def _is_python(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:  # `break` became `return` outside a function
        return False
    return True


def _described(text: str, code: str) -> dict[str, object]:
    lines = list(difflib.unified_diff(text.splitlines(), code.splitlines(), n=2, lineterm=""))[3:]
    before, after = text.splitlines(), code.splitlines()
    number = next((n for n, pair in enumerate(zip(before, after, strict=False), 1) if pair[0] != pair[1]), len(before))
    changes = {sign: "\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+"}
    return {
        "line": number,
        "where": _where(text, number),
        "was": changes["-"],
        "now": changes["+"],
        "diff": "\n".join(lines),
    }


def _where(text: str, line: int) -> str:
    """Return the class and function that a line is in, as `Ledger.claim`; empty for the module itself."""
    names: list[str] = []
    nodes: list[ast.AST] = [ast.parse(text)]
    while nodes:
        node = nodes.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt) and child.lineno <= line <= (child.end_lineno or child.lineno):
                nodes.append(child)
                if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
                    names.append(child.name)
    return ".".join(names)


if __name__ == "__main__":
    json.dump(list(mutants_of(Path(sys.argv[1]).read_text(encoding="utf-8"))), sys.stdout)
