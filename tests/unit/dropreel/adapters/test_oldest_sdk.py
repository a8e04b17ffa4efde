"""Lambda chooses the version of the AWS SDK: the adapters have to work with an old one as with ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
ADAPTERS = (
    *(
        "event_bus",
        "image_bucket",
        "image_download",
        "prepared_bucket",
        "job_table",
        "job_rows",
        "queues",
        "video_bucket",
    ),
    *("ledger", "ledger_pictures", "ledger_races", "transactions"),
    *("dead_letter_queue", "state_machine", "items", "api_key"),
)
SELECTED = ("-k", "not memory or image_download")
"""Not the tests on the in-memory tables, which make no call with an SDK."""
RUN = "import sys, botocore, pytest; print(botocore.__file__); sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.exhaustive
def test_the_adapters_work_with_the_oldest_sdk_too():
    (sdk,) = (ROOT / ".venvs" / "oldest").glob("lib/python*/site-packages")
    tests = [str(HERE / f"test_{name}.py") for name in ADAPTERS]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    ran = subprocess.run(
        [sys.executable, "-c", RUN, "-q", "-p", "no:cacheprovider", *SELECTED, *tests],
        cwd=ROOT,
        env={**inherited, "PYTHONPATH": str(sdk)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.startswith(str(sdk)), ran.stdout + ran.stderr
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr
