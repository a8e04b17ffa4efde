"""CloudWatch metrics in the Embedded Metric Format, written to the function's log by Powertools."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from dropreel.domain.metrics import Metric

NAMESPACE = "Dropreel"
DIMENSION = "stack"


class Metrics:
    """Counts occurrences. Each is written at once, so that a function that dies right after has counted it."""

    def __init__(self, stack: str) -> None:
        self.stack = stack

    def count(self, metric: Metric, job_id: str) -> None:
        """Write one occurrence. The stack's name is its only dimension; the job's id is metadata of the log line."""
        with single_metric(name=metric.value, unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as written:
            written.service = ""  # POWERTOOLS_SERVICE_NAME would add a dimension that the alarms do not have
            written.add_dimension(name=DIMENSION, value=self.stack)
            written.add_metadata(key="job_id", value=job_id)
