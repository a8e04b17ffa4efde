"""Rows of the job table in DynamoDB's attribute values."""

from typing import Any

from dropreel.adapters.items import attribute_value
from dropreel.adapters.job_table import JOB_ROW, item_of
from dropreel.domain.job import Job


def job_row(job: Job) -> dict[str, Any]:
    """Return a job's own row."""
    item = {**item_of(job), "job_id": job.job_id, "row": JOB_ROW, "version": job.version or 1}
    return {name: attribute_value(value) for name, value in item.items() if value is not None}
