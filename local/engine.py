"""Starts ministack inside its own environment, corrected, and stops it when the process that started it ends.

Run by ministack's interpreter, not by ours: `python engine.py`. Standard input is the life line.
"""

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def _end_with_parent() -> None:
    while os.read(0, 4096):  # unbuffered: a buffered read would still hold its lock when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(5)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if "ENGINE_AS_SHIPPED" not in os.environ:  # for the tests that say what has still to be corrected
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        from local.engine_corrections import correct_all

        correct_all()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")
