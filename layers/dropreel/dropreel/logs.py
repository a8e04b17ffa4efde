"""The functions' logs: one JSON object a line, each with `job_id` and `generation_id` (null where they are not known)."""

import functools
import logging
import re
import sys
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.domain.current_job import current_ids, work_on

SERVICE = "dropreel"
"""The name of our logger, of which `logging.getLogger` gives the same one everywhere."""

_Handler = Callable[[dict[str, Any], LambdaContext], Any]


class JobFormatter(LambdaPowertoolsFormatter):
    """Powertools' JSON, with the ids of the job at hand. What others have written is redacted: an error can name an address."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. The message of a library's logger is redacted; our own messages are constants."""
        if record.name != SERVICE:
            record = logging.makeLogRecord({**record.__dict__, "msg": _redacted(record.getMessage()), "args": ()})
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """Return the traceback without secrets. An error's cause, such as one of urllib3, repeats the whole address."""
        return _redacted(super().formatException(ei))

    def serialize(self, log: Any) -> str:
        """Return the line's JSON. Powertools has removed what is null; the ids stay."""
        return super().serialize({**current_ids(), **log})


def _redacted(text: str) -> str:
    """Return a text without secrets, and without the query of any address: urllib3 names one by its path alone."""
    from dropreel.domain.redaction import REMOVED, redact, redact_signed

    lines = re.sub(r"(/[^\s?\"'<>]*)\?[^\s\"'<>]+", rf"\1?{REMOVED}", redact_signed(text)).splitlines()
    return "\n".join(line[: len(line) - len(line.lstrip())] + redact(line) for line in lines)


class _StdoutHandler(logging.StreamHandler[Any]):
    """Writes to the standard output as it is at that time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """The standard output."""
        return sys.stdout


def _new_logger() -> Logger:
    """Return our logger, and give the libraries' loggers lines of the same form."""
    formatter = JobFormatter(serialize_stacktrace=False)
    ours = Logger(service=SERVICE, logger_formatter=formatter, logger_handler=_StdoutHandler())
    others = _StdoutHandler()
    others.setFormatter(formatter)
    others.addFilter(lambda record: record.name != SERVICE)
    root = logging.getLogger()
    kept = [one for one in root.handlers if not type(one).__name__.startswith("LambdaLogger")]  # it writes plain text
    root.handlers = [*kept, others]
    return ours


logger = _new_logger()


def logged(handler: _Handler) -> _Handler:
    """Decorate a handler: each invocation starts without ids, and an exception is logged with the job's before it is raised."""

    @logger.inject_lambda_context(clear_state=True)
    @functools.wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> Any:
        work_on(None)
        try:
            return handler(event, context)
        except Exception as error:
            logger.exception("failed")  # Lambda's own line about it has no ids
            raise error from None  # nor may it repeat the cause, which can name an address

    return run
