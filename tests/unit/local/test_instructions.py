"""The commands that `dropreel up` prints."""

import shlex
from pathlib import Path
from typing import Any

import jmespath

from dropreel.adapters.items import attribute_value
from local.instructions import commands_of

OUTPUTS = {
    name: name.lower()
    for name in (
        *("UploadsBucketName", "VideosBucketName", "JobsTableName", "SpendTableName"),
        *("QueueUrl", "DeadLetterQueueUrl", "StateMachineArn"),
    )
}
DOCUMENT = Path(__file__).parents[3] / "docs" / "first-deployment.md"
ROWS: list[dict[str, Any]] = [
    {"job_id": "0f3c", "row": "attempt#01#0000", "status": "generating", "reason": {"message": "of an attempt"}},
    {"job_id": "0f3c", "row": "job", "status": "failed", "image": {"key": "a.jpg"}, "reason": {"message": "Too late."}},
    {"job_id": "generation#gen_1", "row": "generation", "claimed_by": "0f3c"},
    {"job_id": "picture-9a", "row": "picture", "claimed_by": "0f3c"},
]


def _jobs_query() -> str:
    (line,) = [command.line for command in commands_of(OUTPUTS, Path("events")) if command.purpose == "The jobs"]
    arguments = shlex.split(line)
    return arguments[arguments.index("--query") + 1]


def test_the_jobs_command_prints_each_job_once_and_no_other_row() -> None:
    items = [{name: attribute_value(value) for name, value in row.items()} for row in ROWS]

    assert jmespath.search(_jobs_query(), {"Items": items}) == [["0f3c", "failed", "a.jpg", "Too late."]]


def test_the_document_has_the_same_query_as_the_jobs_command() -> None:
    assert f'--query "{_jobs_query()}"' in DOCUMENT.read_text(encoding="utf-8")
