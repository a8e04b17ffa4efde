"""Writes docs/cli.md from the commands' own help, their schemas and the exit statuses: `python -m docs.write_cli`.

It imports Click and the command line only, so that any environment with Click writes the same page.
"""

import ast
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from dropreel_cli import exits
from dropreel_cli.app import GROUPS, application
from dropreel_cli.exits import Exit

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"
SCHEMAS = ROOT / "cli" / "dropreel_cli" / "schemas"
WIDTH = 110
"""Columns of the help texts, whatever the terminal has."""
_SHARED = ("job.json", "error.json")
"""Schemas with a section of their own: others link to it."""
_HEAD = """# The `dropreel` command

<!-- made by docs/write_cli.py from the commands' own help: `make docs` writes it again -->

One command for your stack in AWS and for the local cloud on your machine. `dropreel --help` lists what there is, and each command
has a `--help` with examples.

{contents}

## Install

From a checkout of this repository, with Python 3.11 or newer; each of these makes an environment of its own:

```sh
pipx install .
uv tool install .
```

`pipx install --force .`, or `uv tool install --reinstall .`, installs a newer checkout. The commands under [From a
checkout](#from-a-checkout) run the code of the checkout that you are in, whatever is installed, and install what that needs into
its folder `.venvs/`: they need `make`. All others work anywhere. Without an installation, `make deploy`, `make remove`, `make
run`, `make up` and `make drop` call the same commands from a checkout; their
[variables](operations.md#deploy-and-change-the-stack) are the options in capitals.

The completion of your shell knows the commands and options:

```sh
eval "$(dropreel completion bash)"   # in ~/.bashrc
eval "$(dropreel completion zsh)"    # in ~/.zshrc
dropreel completion fish > ~/.config/fish/completions/dropreel.fish
```

## What all commands share

**Which stack.** Credentials are found as the aws command finds them: the environment, a profile, SSO, a role. `--profile` and
`--region` choose others, `--stack` another stack. Without `--stack` it is the stack that was deployed last from this folder or
one above (`.dropreel.json` there has its name and region), else `dropreel`. `--local` is the stack in the local cloud that
`dropreel up` has started in this checkout; elsewhere, `DROPREEL_LOCAL_CLOUD` has the path of its `.local/cloud.json`.

**Output.** Results go to standard output; progress, notes, questions and errors go to standard error. In a terminal there are
colors and live tables. In a pipe or a file there are none, lines are never wrapped, and nothing moves. `NO_COLOR=1` switches
colors off.

**For machines.** With `--json`, standard output has one JSON document (of a command that follows something: one a line). It is
described below each command; `version` is 1, and changes when a field is renamed or removed. The schemas are in
[`cli/dropreel_cli/schemas/`](../cli/dropreel_cli/schemas). Where a command fails, the document is an [error](#an-error).

**Questions.** What costs something, or changes the stack, says what it will do and asks. `--yes` answers; without a terminal and
without `--yes` nothing is done (status {refused}). Ctrl-C at any moment is safe: the last line says what is left, and how to
continue.

**Exit status.** Each has one meaning for all commands:

{exits}
"""


def page() -> str:
    """Return the text of docs/cli.md."""
    groups = [(heading, [name for name in names if _command(name)]) for heading, names in GROUPS.items()]
    groups = [(heading, names) for heading, names in groups if names]
    contents = "\n".join(
        f"- [{heading}](#{_anchor(heading)}): {' · '.join(f'[`{name}`](#dropreel-{name})' for name in names)}"
        for heading, names in groups
    )
    head = _HEAD.format(contents=contents, exits=exit_table(), refused=int(Exit.REFUSED))
    parts = [head.rstrip()]
    for heading, names in groups:
        parts.append(f"## {heading}")
        parts += [_section(name) for name in names]
    parts += [
        "## A job",
        "The fields of a job in every document; `data` of the [events](events.md) has the same.",
        _table(_schema("job.json")),
        "## An error",
        _table(_schema("error.json")),
    ]
    return "\n\n".join(parts) + "\n"


def exit_table() -> str:
    """Return the exit statuses with their docstrings, as a table."""
    texts = _texts_of_exits()
    rows = [f"| {int(one)} | {texts[one.name]} |" for one in Exit]
    return "\n".join(["| status | meaning |", "|---|---|", *rows])


def help_text(command: click.Command, name: str) -> str:
    """Return what `dropreel NAME --help` prints, at a fixed width."""
    parent = click.Context(application, info_name="dropreel")
    context = click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    return "\n".join(lines)


def fields(schema: Mapping[str, Any], root: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield path, type and meaning of each field of a document. A list's items are `[]`, any name of an object is `*`."""
    for name, declared in schema.get("properties", {}).items():
        if (above, name) != ("", "version"):
            yield from _field(f"{above}{name}", declared, root)
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        yield from _field(f"{above}*", more, root)


def _field(path: str, declared: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    found, its_root = _resolved(declared, root)
    yield path, _type(declared, root), str(declared.get("description") or found.get("description") or "")
    if _shared(declared):
        return
    for choice in (found, *found.get("anyOf", ()), *found.get("oneOf", ())):
        inner, inner_root = _resolved(choice, its_root)
        if _shared(choice):
            continue
        yield from fields(inner, inner_root, f"{path}.")
        items = inner.get("items")
        if isinstance(items, Mapping) and not _shared(items):
            item, item_root = _resolved(items, inner_root)
            yield from fields(item, item_root, f"{path}[].")


def _resolved(declared: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what a `$ref` refers to, and the schema that it is in."""
    reference = declared.get("$ref")
    if reference is None:
        return declared, root
    file, _, pointer = str(reference).partition("#")
    found: Any = _schema(file) if file else root
    root = found
    for part in filter(None, pointer.split("/")):
        found = found[part]
    return _resolved(found, root)


def _shared(declared: Mapping[str, Any]) -> str | None:
    """Return the name of a schema with a section of its own, where this is one."""
    reference = str(declared.get("$ref", ""))
    return reference.removesuffix(".json") if reference in _SHARED else None


def _type(declared: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    if shared := _shared(declared):
        return f"[{shared}](#{'a' if shared == 'job' else 'an'}-{shared})"
    found, its_root = _resolved(declared, root)
    if "enum" in found:
        return ", ".join(f"`{_json(value)}`" for value in found["enum"])
    if "const" in found:
        return f"`{_json(found['const'])}`"
    choices = [*found.get("anyOf", ()), *found.get("oneOf", ())]
    if choices:
        return " or ".join(dict.fromkeys(_type(choice, its_root) for choice in choices))
    kinds = found.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "array" in kinds and isinstance(found.get("items"), Mapping):
        kinds[kinds.index("array")] = f"array of {_type(found['items'], its_root)}"
    return " or ".join(kinds)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _table(schema: Mapping[str, Any]) -> str:
    rows = [
        " | ".join((f"| `{path}`", _cell(kind), f"{_cell(meaning)} |"))
        for path, kind, meaning in fields(schema, schema)
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _section(name: str) -> str:
    command = _command(name)
    if command is None:
        raise ValueError(f"there is no command {name}")
    parts = [f"### `dropreel {name}`", f"```text\n{help_text(command, name)}\n```"]
    if (SCHEMAS / f"{name}.json").is_file():
        schema = _schema(f"{name}.json")
        parts.append(
            f"With `--json` ({schema['title'].replace('What `dropreel ' + name + '` prints', 'one document')}):"
        )
        parts.append(_table(schema))
    return "\n\n".join(parts)


def _command(name: str) -> click.Command | None:
    return application.get_command(click.Context(application), name)


def _schema(file: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    return loaded


def _texts_of_exits() -> dict[str, str]:
    """Return the docstring of each member of Exit, which Python does not keep."""
    tree = ast.parse(Path(exits.__file__).read_text(encoding="utf-8"))
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Exit")
    texts = {}
    for member, text in itertools.pairwise(body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            texts[ast.unparse(member.targets[0])] = " ".join(str(text.value.value).split())
    return texts


def _anchor(heading: str) -> str:
    return "".join(one for one in heading.lower().replace(" ", "-") if one.isalnum() or one in "-_")


def main() -> None:
    """Write the page; with `--print`, print it."""
    if "--print" in sys.argv[1:]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
