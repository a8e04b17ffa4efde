"""What `pause` and `unpause` do and say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dropreel_cli.command_line import Command
from dropreel_cli.submissions import Submissions

if TYPE_CHECKING:
    from dropreel_cli.command_line import StackOptions
    from dropreel_cli.output import Output
    from dropreel_cli.stack import Stack

QUEUE_DAYS = 10
"""How long a message stays in the submission queue: its MessageRetentionPeriod in the template."""


def pause(options: StackOptions, output: Output) -> None:
    """Switch submissions off, wait until Lambda has done so, and say what continues and what waits."""
    state = _switch(Submissions.of(options.connect()), "pause", options, output)
    output.text("PAUSED: no new submission starts.", "bold yellow")
    output.text("Continues: generations that were submitted are polled, and their videos are delivered.")
    output.text("Still submitted: images that the function already had when you paused, within 100 seconds.")
    output.text(
        f"Waits: uploads stay in the queue, {QUEUE_DAYS} days at most. What waits longer becomes no job and no video:"
        " upload it again then."
    )
    output.text("A deployment leaves the stack paused, unless it changes SubmitConcurrency: look with dropreel doctor.")
    output.text(f"To continue: dropreel unpause{options.arguments}")
    output.document({"paused": True, "state": state})


def unpause(options: StackOptions, output: Output, *, yes: bool) -> None:
    """Say what waits, ask, switch submissions on and wait until Lambda has done so."""
    stack = options.connect()
    submissions = Submissions.of(stack)
    waiting = 0
    if submissions.is_paused and (waiting := messages_waiting(stack)):
        output.note(what_follows(stack, waiting))
        output.confirm("Let submissions start again?", yes=yes)
    state = _switch(submissions, "unpause", options, output)
    output.text("Submissions are on: what waits in the queue is submitted now, within the spend limit.", "green")
    output.text(f"To see it: dropreel jobs{options.arguments}")
    output.document({"paused": False, "state": state, "messages_waiting": waiting})


def _switch(submissions: Submissions, verb: str, options: StackOptions, output: Output) -> str:
    Command.left_behind = (
        f"Lambda may still be switching the queue. Run dropreel {verb}{options.arguments} again to see that it ended."
    )
    with output.progress.status("asking Lambda") as status:
        return submissions.switch(
            verb == "unpause", lambda state: status.update(f"Lambda says {state}; this takes seconds")
        )


def messages_waiting(stack: Stack) -> int:
    """Return about how many messages are in the submission queue, delayed ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=stack.outputs["QueueUrl"], AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def what_follows(stack: Stack, waiting: int) -> str:
    """Return what is submitted and paid once submissions are on again."""
    from dropreel.domain.days import day_of
    from dropreel.domain.prices import usd
    from dropreel_cli.spend_table import charged_cents

    limit = stack.parameters.get("DailySpendLimitUsd", "")
    today = usd(charged_cents(stack, day_of(datetime.now(UTC))))
    cap = "without a daily limit" if limit == "unlimited" else f"within the day's limit of ${limit}"
    images = "One image waits" if waiting == 1 else f"About {waiting} images wait"
    return f"{images} in the queue, to be submitted and paid {cap}. Today ${today} was or may have been charged."
