"""The local engine's stores, in its interpreter: a race of threads, and its correction."""

import subprocess
import sys

import pytest

from local.cloud import ROOT

ADDS_DURING_A_COLLECTION = """
import gc, itertools, sys
from local.engine_stores import read_copies_of_stores
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

sys.argv[1] == "corrected" and read_copies_of_stores()
for kind in (AccountScopedDict, AccountRegionScopedDict):
    store, number = kind(), itertools.count()
    add = lambda *_: store.update({next(number): {}})
    for _ in range(100):
        add()
    gc.callbacks.append(add)
    gc.set_threshold(1)
    try:
        assert len(store.items()) >= 100 and len(store.values()) >= 100
    finally:
        gc.callbacks.clear()
"""


@pytest.mark.parametrize("engine", ["corrected", "as shipped"])
def test_a_store_is_listed_while_another_thread_adds_to_it(engine: str) -> None:
    """A thread that runs in the middle of a list is simulated: an item is added whenever garbage is collected."""
    python = ROOT / ".venvs" / "ministack" / "bin" / "python"
    command = [str(python), "-c", ADDS_DURING_A_COLLECTION, engine]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    if engine == "corrected" or sys.version_info >= (3, 12):  # which collects no garbage in the middle of a list
        assert done.returncode == 0, done.stderr
    else:
        assert "dictionary changed size during iteration" in done.stderr, (
            "delete read_copies_of_stores: it is not needed"
        )
