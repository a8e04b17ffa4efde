"""CloudWatch metrics in the Embedded Metric Format, written to the function's log by Powertools."""

import logging

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from dropreel.domain.current_job import current_ids
from dropreel.domain.job import EventType, Job
from dropreel.domain.metrics import Metric, measurements_of

NAMESPACE = "Dropreel"
DIMENSION = "stack"

logger = logging.getLogger("dropreel")


class Metrics:
    """Writes each metric at once, so that a function that dies right after has written it. A fault is logged, never raised."""

    def __init__(self, stack: str) -> None:
        self.stack = stack

    def count(self, metric: Metric, job_id: str) -> None:
        """Write one occurrence that concerns a job."""
        self.write(metric, 1, job_id=job_id, generation_id=current_ids()["generation_id"])

    def measure(self, event: EventType, job: Job) -> None:
        """Write what a published event of a job measures. `reason_code` in the line is for log queries."""
        about = {"job_id": job.job_id, "generation_id": job.generation_id}
        if job.reason is not None:
            about["reason_code"] = job.reason.code.value
        for metric, value in measurements_of(event, job).items():
            self.write(metric, value, **about)

    def write(self, metric: Metric, value: float, **about: str | None) -> None:
        """Write one value. The stack's name is its only dimension; `about` is metadata of the log line."""
        try:
            with single_metric(
                name=metric.value, unit=MetricUnit(metric.unit), value=value, namespace=NAMESPACE
            ) as written:
                written.service = ""  # POWERTOOLS_SERVICE_NAME would add a dimension that the alarms do not have
                written.add_dimension(name=DIMENSION, value=self.stack)
                for key, said in {"job_id": None, "generation_id": None, **about}.items():
                    written.add_metadata(key=key, value=said)
        except Exception:  # what is measured has happened: the step continues
            logger.exception("metric not written", extra={"metric": metric.value})
