import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "dropreel" / "dropreel"
PURE_ROOMS = ("domain", "media")
WITH_NETWORK = (PACKAGE / "provider" / "client.py",)
PROVIDER = sorted((PACKAGE / "provider").glob("*.py"))
CORE = [path for room in PURE_ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]
CORE += [path for path in PROVIDER if path not in WITH_NETWORK]
ADAPTERS = sorted((PACKAGE / "adapters").glob("*.py"))
USE_CASES = sorted((PACKAGE / "use_cases").glob("*.py"))
HANDLERS = sorted((ROOT / "functions").glob("*/handler.py"))
EVERYTHING = [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "functions").rglob("*.py"))]

CORE_NAMES = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in CORE}
CLOCKS_AND_NETWORKS = {
    *(
        "time",
        "socket",
        "ssl",
        "http",
        "urllib.request",
        "ftplib",
        "smtplib",
        "asyncio",
        "subprocess",
        "threading",
        "os",
    ),
    *(
        "select",
        "selectors",
        "socketserver",
        "boto3",
        "botocore",
        "requests",
        "urllib3",
        "random",
        "secrets",
        "logging",
    ),
}
CLOCK_CALLS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere in the code, for types too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole package"
            found |= {node.module or ""}
    return found


def within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def named_in(tree: ast.AST) -> set[str]:
    """Every name and dotted name in the code."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            found.add(ast.unparse(node))
    return found


def runs_at_import(tree: ast.Module) -> list[ast.Call]:
    """The calls that importing a module makes: those outside functions, decorators counted."""
    calls: list[ast.Call] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                visit(decorator)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Call):
            calls.append(node)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return calls


def test_the_rules_look_at_what_is_there():
    core = {"job", "reasons", "options", "reader", "videos", "prices", "events", "submit_answers", "poll_answers"}
    assert core <= {path.stem for path in CORE}
    assert {"client", "reading", "refusals"} <= {path.stem for path in PROVIDER}
    assert {"job_table", "ledger", "transactions"} <= {path.stem for path in ADAPTERS}
    assert len(USE_CASES) > 1
    assert len(HANDLERS) > 1


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_imports_only_itself_and_the_standard_library(path):
    foreign = {
        module
        for module in imports_of(tree_of(path))
        if module.split(".")[0] not in sys.stdlib_module_names and module not in CORE_NAMES
    }

    assert foreign == set()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_imports_no_clock_and_no_network(path):
    assert {module for module in imports_of(tree_of(path)) if within(module, CLOCKS_AND_NETWORKS)} == set()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_does_not_ask_for_the_time(path):
    asked = {
        ast.unparse(node.func)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS
    }

    assert asked == set()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_opens_no_file(path):
    assert named_in(tree_of(path)) & {"open", "io.open", "print", "input", "exec", "eval"} == set()


ROOMS = {
    "domain": {"domain"},
    "media": {"domain", "media", "provider"},
    "provider": {"domain", "provider", "adapters"},
    "adapters": {"domain", "media", "provider", "adapters"},
    "use_cases": {"domain", "media", "provider", "use_cases"},
}
"""Which rooms each room may import from."""


@pytest.mark.parametrize("path", [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))], ids=name)
def test_a_room_imports_only_from_the_rooms_below_it(path):
    allowed = ROOMS[path.relative_to(PACKAGE).parts[0]]
    ours = {module for module in imports_of(tree_of(path)) if within(module, {"dropreel"})}

    assert {module for module in ours if module.split(".")[1] not in allowed} == set()


@pytest.mark.parametrize("path", USE_CASES, ids=name)
def test_a_use_case_knows_the_provider_by_its_answers_and_limits(path):
    assert "dropreel.provider.client" not in imports_of(tree_of(path))


@pytest.mark.parametrize("path", ADAPTERS, ids=name)
def test_an_adapter_knows_no_step(path):
    inward = imports_of(tree_of(path))

    assert {module for module in inward if within(module, {"dropreel.use_cases", "dropreel.wiring"})} == set()


@pytest.mark.parametrize("path", USE_CASES, ids=name)
def test_a_step_knows_no_library_of_the_outside(path):
    outside = {"boto3", "botocore", "requests", "urllib3", "os", "time", "dropreel.wiring", "dropreel.settings"}

    assert {module for module in imports_of(tree_of(path)) if within(module, outside)} == set()


@pytest.mark.parametrize("path", [*ADAPTERS, *USE_CASES], ids=name)
def test_only_the_core_changes_where_a_job_is(path):
    """What may follow what, and what it costs, stands in the transitions of `job.py` alone."""
    kept = {
        "status",
        "attempt",
        "charge",
        "reserved_day",
        "lease_until",
        "requeues",
        "resumes",
        "generation_id",
        "reason",
    }
    changed = {
        keyword.arg
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("replace", "dataclasses.replace")
        for keyword in node.keywords
    }

    assert changed & kept == set()


@pytest.mark.parametrize("path", USE_CASES, ids=name)
def test_a_step_takes_the_time_as_an_argument(path):
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "time.time"}

    assert named_in(tree_of(path)) & clocks == set()


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_only_the_settings_read_the_environment(path):
    names = named_in(tree_of(path))
    reads = {found for found in names if found.startswith(("os.environ", "os.getenv", "environ", "getenv"))}

    assert not reads or path == PACKAGE / "settings.py"


@pytest.mark.parametrize("path", HANDLERS, ids=name)
def test_a_handler_is_short(path):
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]

    lengths = {node.name: (node.end_lineno or 0) - node.body[0].lineno + 1 for node in functions}

    assert "handler" in lengths
    assert {function: length for function, length in lengths.items() if length >= 30} == {}


@pytest.mark.parametrize("path", HANDLERS, ids=name)
def test_a_handler_names_nothing_of_the_outside(path):
    text = path.read_text(encoding="utf-8")

    assert [outside for outside in ("boto3", "botocore", "requests", "os.environ", "urllib3") if outside in text] == []


@pytest.mark.parametrize("path", HANDLERS, ids=name)
def test_a_handler_asks_only_the_wiring_and_the_messages(path):
    ours = {module for module in imports_of(tree_of(path)) if within(module, {"dropreel"})}

    decoding = {"dropreel.domain.messages", "dropreel.domain.executions"}
    assert ours <= {"dropreel.wiring", "dropreel.logs", "dropreel.domain.current_job", *decoding}


@pytest.mark.parametrize("path", HANDLERS, ids=name)
def test_a_handler_writes_the_log_that_is_redacted(path):
    (handler,) = (
        node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef) and node.name == "handler"
    )

    assert [ast.unparse(decorator) for decorator in handler.decorator_list] == ["logged"]
    assert "Logger(" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", HANDLERS, ids=name)
def test_a_step_has_one_name(path):
    step = path.parent.name

    assert f"dropreel.use_cases.{step}" in {f"dropreel.use_cases.{use_case.stem}" for use_case in USE_CASES}
    assert step in named_in(tree_of(path))


def test_the_wiring_makes_nothing_when_it_is_imported():
    calls = {ast.unparse(call.func) for call in runs_at_import(tree_of(PACKAGE / "wiring.py"))}

    assert calls == set()


@pytest.mark.parametrize("path", [*ADAPTERS, *USE_CASES, PACKAGE / "settings.py"], ids=name)
def test_nothing_outside_is_called_at_import(path):
    calls = {ast.unparse(call.func) for call in runs_at_import(tree_of(path))}

    assert {call for call in calls if call.split(".")[0] in ("boto3", "requests", "os", "urllib3", "Settings")} == set()


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_no_file_is_named_for_being_left_over(path):
    assert path.stem not in ("utils", "util", "helpers", "helper", "common", "misc")


def test_errors_are_one_tree():
    roots = [
        node.name
        for node in tree_of(PACKAGE / "domain" / "errors.py").body
        if isinstance(node, ast.ClassDef) and ast.unparse(node.bases[0]) != "DropreelError"
    ]

    assert roots == ["DropreelError"]
