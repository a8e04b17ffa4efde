"""SweepJobs: held jobs, and jobs that nothing works on any more."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.logs import logged, logger
from dropreel.wiring import sweep_jobs

sweep_jobs()  # in the init phase, not at the first event


@logged
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Take the schedule's event; return how many jobs were swept, by what was done."""
    done = sweep_jobs().run()
    logger.info("done", swept=done)
    return done
