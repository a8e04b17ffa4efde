"""Every line of a function's log: JSON, with the ids of the job at hand, and without secrets."""

import json
import logging
import traceback
from typing import Any

import pytest

from dropreel.domain.current_job import work_on
from dropreel.logs import _new_logger, logged, logger

SIGNED = (
    "https://uploads.s3.us-east-1.amazonaws.com/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=ASIAEXAMPLE%2F20261112&X-Amz-Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
)
RESULT = "https://cdn.example/results/gen_1.mp4?expires=1893456000&signature=00ff9c5d672d79c15b13162d9279b0855cfba678"


class Context:
    """The context object that Lambda passes to a handler."""

    function_name = "function"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"


@pytest.fixture(autouse=True)
def info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logger._logger, "level", logging.INFO)
    logger._logger.manager._clear_cache()  # type: ignore[attr-defined]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def call(handler: Any) -> Any:
    context: Any = Context()
    return logged(handler)({}, context)


def test_ids_that_are_not_known_are_null(capsys: pytest.CaptureFixture[str]):
    call(lambda *_: logger.info("done"))

    (line,) = lines(capsys)
    assert (line["job_id"], line["generation_id"], line["message"]) == (None, None, "done")


def test_a_line_has_the_ids_of_the_job_at_hand(capsys: pytest.CaptureFixture[str]):
    def handler(event: Any, context: Any) -> None:
        work_on("0f3c", "gen_1")
        logging.getLogger("dropreel").warning("ours")
        logging.getLogger("botocore.retries").warning("a library's")

    call(handler)

    assert [(line["job_id"], line["generation_id"], line["message"]) for line in lines(capsys)] == [
        ("0f3c", "gen_1", "ours"),
        ("0f3c", "gen_1", "a library's"),
    ]


def test_the_next_invocation_starts_without_ids(capsys: pytest.CaptureFixture[str]):
    call(lambda *_: work_on("0f3c", "gen_1"))
    call(lambda *_: logger.info("done"))

    (line,) = lines(capsys)
    assert (line["job_id"], line["generation_id"]) == (None, None)


def test_an_exception_is_logged_with_the_ids_and_raised(capsys: pytest.CaptureFixture[str]):
    def handler(event: Any, context: Any) -> None:
        work_on("0f3c", "gen_1")
        raise RuntimeError("the table is down")

    with pytest.raises(RuntimeError, match="the table is down"):
        call(handler)

    (line,) = lines(capsys)
    assert (line["job_id"], line["generation_id"], line["message"]) == ("0f3c", "gen_1", "failed")
    assert line["exception"].endswith("RuntimeError: the table is down")
    assert "in handler" in line["exception"]


@pytest.mark.parametrize(
    "address", [SIGNED, RESULT, RESULT[len("https://cdn.example") :]], ids=["presigned", "result", "path"]
)
def test_an_exceptions_cause_shows_no_address(capsys: pytest.CaptureFixture[str], address: str):
    def handler(event: Any, context: Any) -> None:
        cause = ConnectionError(f"Max retries exceeded with url: {address}")
        raise RuntimeError("the video could not be fetched") from cause

    with pytest.raises(RuntimeError) as raised:
        call(handler)

    (line,) = lines(capsys)
    assert "9279b0855cfba678" not in "".join(traceback.format_exception(raised.value))
    assert "9279b0855cfba678" not in json.dumps(line)
    assert "ignature=" not in json.dumps(line)
    assert "expires=" not in json.dumps(line)


@pytest.mark.parametrize(
    "address", [SIGNED, RESULT, RESULT[len("https://cdn.example") :]], ids=["presigned", "result", "path"]
)
def test_a_librarys_message_shows_no_address(capsys: pytest.CaptureFixture[str], address: str):
    logging.getLogger("urllib3.connectionpool").warning("Retrying after %s: %s", "ReadTimeoutError()", address)

    (line,) = lines(capsys)
    assert line["message"].startswith("Retrying after")
    assert "9279b0855cfba678" not in json.dumps(line)


def test_lambdas_own_handler_writes_no_plain_line_beside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class LambdaLoggerHandler(logging.StreamHandler[Any]):
        """Lambda's runtime installs one of this name before it imports the function."""

    monkeypatch.setattr(logging.getLogger(), "handlers", [LambdaLoggerHandler()])

    _new_logger()
    logging.getLogger("botocore").warning("a library's")

    captured = capsys.readouterr()
    assert json.loads(captured.out)["message"] == "a library's"
    assert captured.err == ""
