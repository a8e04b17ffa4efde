"""Runs one command and writes what it used into a file, as JSON: `python -I -S launch.py FILE COMMAND ...`.

A process's peak memory includes that of the process that started it. So something as small as this starts it.
"""

import json
import os
import sys
import time


def main() -> int:
    """Return the command's exit status; 128 and the signal's number where a signal ended it."""
    record, command = sys.argv[1], sys.argv[2:]
    started = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    used = {
        "wall_seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    with open(record, "w", encoding="utf-8") as file:  # noqa: PTH123 - importing pathlib would make this larger
        json.dump(used, file)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
