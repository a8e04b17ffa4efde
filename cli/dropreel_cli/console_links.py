"""Addresses in the AWS console of what a job has: its objects, execution, item and logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from dropreel.domain.job import Job, execution_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}
"""The console's domain in each partition of AWS."""
_LOG_QUERY = "fields @timestamp, @log, level, message | filter @message like '{}' | sort @timestamp asc"


@dataclass(frozen=True)
class ConsoleLinks:
    """Makes addresses of the console for one region of one partition. None of them is signed."""

    partition: str
    region: str

    @classmethod
    def of(cls, arn: str) -> ConsoleLinks:
        """Return those of the partition and the region of any ARN of the stack."""
        _, partition, _, region, *_ = arn.split(":")
        return cls(partition, region)

    @property
    def _base(self) -> str:
        domain = _DOMAINS.get(self.partition, _DOMAINS["aws"])
        return f"https://{self.region}.{domain}"

    def s3_object(self, bucket: str, key: str, version_id: str | None = None) -> str:
        """Return the address of an object, or of one version of it."""
        version = f"&versionId={quote(version_id, safe='')}" if version_id else ""
        return f"{self._base}/s3/object/{bucket}?region={self.region}&prefix={quote(key, safe='/')}{version}"

    def execution(self, arn: str) -> str:
        """Return the address of an execution of Step Functions."""
        return f"{self._base}/states/home?region={self.region}#/v2/executions/details/{arn}"

    def item(self, table: str, job_id: str) -> str:
        """Return the address of a job's item in DynamoDB."""
        place = f"itemMode=2&pk={job_id}&sk=job&route=ROUTE_ITEM_EXPLORER&table={quote(table, safe='')}"
        return f"{self._base}/dynamodbv2/home?region={self.region}#edit-item?{place}"

    def logs(self, groups: Sequence[str], job_id: str, since: datetime, until: datetime) -> str:
        """Return the address of a query of CloudWatch Logs Insights: all that the functions wrote about a job."""
        sources = "".join(f"~'{_escaped(group)}" for group in groups)
        start, end = (f"{time:%Y-%m-%dT%H:%M:%S}.000Z" for time in (since, until))
        detail = (
            f"~(end~'{_escaped(end)}~start~'{_escaped(start)}~timeType~'ABSOLUTE~tz~'UTC"
            f"~editorString~'{_escaped(_LOG_QUERY.format(job_id))}~source~({sources}))"
        )
        fragment = quote(f"?queryDetail={detail}", safe="*~()'").replace("%", "$")
        return f"{self._base}/cloudwatch/home?region={self.region}#logsV2:logs-insights{fragment}"


def execution_arn(state_machine_arn: str, job: Job) -> str:
    """Return the ARN of the execution that polls a job's generation."""
    return state_machine_arn.replace(":stateMachine:", ":execution:") + f":{execution_name(job)}"


def log_groups(resources: Mapping[str, str]) -> list[str]:
    """Return the names of the functions' log groups, of the stack's resources by their logical ids."""
    return [name for logical_id, name in sorted(resources.items()) if logical_id.endswith("LogGroup")]


def _escaped(text: str) -> str:
    """Escape a text as the console does inside `queryDetail`: `*` and two hex digits for each byte."""
    return re.sub(r"[^0-9A-Za-z_.-]", lambda found: "".join(f"*{byte:02x}" for byte in found[0].encode()), text)
