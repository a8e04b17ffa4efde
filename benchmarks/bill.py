"""What AWS takes for one video: every request counted in a real local run, priced by AWS's public list.

What a poll takes is the difference of two runs with a different number of polls; what a job takes beside its polls is the
rest. Both together give generations of any length, so that nothing is guessed but what `ASSUMED` says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.local_account import held_to
from benchmarks.measure import is_quick, rounded
from benchmarks.meter import Counts, Meter, Video, less, metered_cloud, plus, times
from dropreel.adapters.api_key import KEEP_SECONDS
from dropreel.domain.prices import PRICE_CENTS

# --- prices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Price:
    """So many US dollars for `per` units of what `unit` names."""

    service: str
    unit: str
    usd: float
    per: float


PRICES_OF = "us-east-1, on demand, without free tiers, 2026-11"
MILLION = 1_000_000
GIGABYTE = 1024**3
PRICES: dict[str, Price] = {
    "transitions": Price("Step Functions", "state transitions of Standard executions", 0.025, 1_000),
    "lambda_requests": Price("Lambda", "requests", 0.20, MILLION),
    "lambda_gb_seconds": Price("Lambda", "GB-seconds on arm64", 0.0000133334, 1),
    "dynamodb_write_units": Price("DynamoDB", "write request units", 0.625, MILLION),
    "dynamodb_read_units": Price("DynamoDB", "read request units", 0.125, MILLION),
    "s3_puts": Price("S3", "PUT, COPY, POST, LIST requests", 0.005, 1_000),
    "s3_gets": Price("S3", "GET and other requests", 0.0004, 1_000),
    "sqs_requests": Price("SQS", "requests of standard queues", 0.40, MILLION),
    "events": Price("EventBridge", "events of 64 KB", 1.00, MILLION),
    "log_bytes": Price("CloudWatch Logs", "bytes taken in", 0.50, GIGABYTE),
    "secret_calls": Price("Secrets Manager", "API calls", 0.05, 10_000),
}
"""Every count that has a price. Counts with other names are for reckoning only."""


def cost(counts: Counts) -> float:
    """Return what the counts cost, in US dollars. Counts without a price cost nothing."""
    return sum(counts[name] / price.per * price.usd for name, price in PRICES.items() if name in counts)


def cost_by_service(counts: Counts) -> dict[str, float]:
    """Return what the counts cost by service, in US dollars."""
    found: dict[str, float] = {}
    for name, price in PRICES.items():
        found[price.service] = found.get(price.service, 0.0) + cost({name: counts.get(name, 0.0)})
    return found


# --- from counted runs to any length ----------------------------------------------------------------------------------


def each_poll(few: Counts, many: Counts) -> dict[str, float]:
    """Return what one poll takes, from two runs that differ in nothing but their `polls`. Raises ValueError if they do not."""
    polls = many["polls"] - few["polls"]
    if polls <= 0:
        raise ValueError("the second run must have more polls than the first")
    return times(less(many, few), 1 / polls)


def job_with(polls: int, poll: Counts, rest: Counts, seconds: float) -> dict[str, float]:
    """Return what a job takes whose generation runs `seconds` and is polled so often.

    `rest` is a job less its polls. CheckStatus keeps the API key for KEEP_SECONDS, so a longer generation asks for it again.
    """
    return plus(rest, times(poll, polls), {"secret_calls": seconds // KEEP_SECONDS})


# --- the history of an execution --------------------------------------------------------------------------------------

EVENTS_OF_STATE = {"Pass": 2, "Wait": 2, "Choice": 2, "Task": 5, "Succeed": 2}
"""History events of one state on AWS. A Task that calls Lambda has entered, scheduled, started, succeeded, exited."""
EVENTS_AROUND = 2
"""ExecutionStarted and ExecutionSucceeded."""
LONGEST_POLLS = 36 * 60
"""The template's rules hold every execution to so many polls: 36 minutes of time-out for each second between two polls."""
MOST_EVENTS = 20_000
"""What we hold an execution to. Step Functions ends one at 25,000, and no state can see that."""


def history_events(states: Counts) -> float:
    """Return the history events on AWS of an execution that entered so many states of each type."""
    return EVENTS_AROUND + sum(EVENTS_OF_STATE[kind] * count for kind, count in states.items())


# --- what is assumed --------------------------------------------------------------------------------------------------

AWS_CALL_SECONDS = 0.02
PROVIDER_CALL_SECONDS = 0.3
DOWNLOAD_SECONDS = 3.0
POLL_MEGABYTES = 256
JOB_MEGABYTES = 512
SLEEPER_MEGABYTES = 512
SLEEPER_LONGEST_SECONDS = 900
POLL_INTERVAL = 5
MINUTES = (1, 3, 10)
USUAL_MINUTES = 3

ASSUMED = {
    "lambda": "the functions' wall time here, their processor time stretched to the share of a core that their memory "
    "gives on Lambda (1,769 MB are one core, taken to be as fast as one here); every function starts cold once, which "
    "Lambda bills; "
    f"what the local run has no network for is added: {AWS_CALL_SECONDS} s a call to AWS, {PROVIDER_CALL_SECONDS} s a "
    f"call to the provider, {DOWNLOAD_SECONDS} s for the video",
    "queue": "the rule's send, the poller's receive and its delete, which the engine does inside",
    "uploads": "one PUT by who drops the image, and its event on the bus as if it were charged for",
    "sleeping function": f"one function of {SLEEPER_MEGABYTES} MB submits, sleeps and asks every {POLL_INTERVAL} s, and "
    f"copies the video; after {SLEEPER_LONGEST_SECONDS // 60} minutes, or when it dies, the video is lost or paid for "
    "again; with the default SubmitConcurrency no more than five videos are made at a time",
    "without tables": "the same three functions and state machine, without any call to DynamoDB: a duplicate event pays "
    "twice, nothing holds to a daily limit",
    "polls": f"one each {POLL_INTERVAL} s of the generation; the polls' own time is left out, which makes them too many",
}
LEFT_OUT = (
    "what is there without any video: the queue's long polls, the sweeper, the secret ($0.40 a month), alarms, storage",
    "transfer out of AWS: the provider fetches the image once (a megabyte is $0.00009 beyond the free 100 GB a month)",
    "free tiers: Step Functions' 4,000 transitions a month alone are some 36 videos of 3 minutes",
)


# --- rivals -----------------------------------------------------------------------------------------------------------


def sleeper(job: Counts, rest: Counts, seconds: float) -> dict[str, float]:
    """Return the counts of one Lambda function that submits, sleeps between polls until the video is there, and copies it.

    It has no state machine and no tables; all else is as often as with us. It writes the log lines of a job without polls.
    """
    without = {"transitions": 0.0, "dynamodb_read_units": 0.0, "dynamodb_write_units": 0.0}
    asleep = seconds * SLEEPER_MEGABYTES / 1024
    return {
        **job,
        **without,
        "lambda_requests": 1.0,
        "lambda_gb_seconds": asleep + rest["lambda_gb_seconds"],
        "log_bytes": rest["log_bytes"],
        "secret_calls": 1.0 + seconds // KEEP_SECONDS,
    }


def textbook(job: Counts) -> dict[str, float]:
    """Return the counts of the same three functions and state machine without a table: no ledger, no record of the job."""
    return {**job, "dynamodb_read_units": 0.0, "dynamodb_write_units": 0.0}


# --- the run ----------------------------------------------------------------------------------------------------------

FEW_SECONDS, MANY_SECONDS = 4.8, 26.0
"""How long the provider generates, in seconds: some five polls, and twenty more."""

METHOD = """\
Three videos are made one after the other on the local cloud, with the real template and a poll a second: one in a fresh
cloud, so that every function starts cold, then one with few polls and one with many. Counted are: states entered, from
GetExecutionHistory; calls to AWS with the functions' own keys (the provider's download with a presigned address is one),
from the engine's CloudTrail; DynamoDB's units, from each row before and after each change as the job table's stream
gives them; invocations and log bytes, from the functions' logs; processor time, from /proc. A poll is the difference of
the last two runs over the difference of their polls; the rest of a job is the first, cold run without its polls."""


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """Return counts, US dollars and ratios."""
    many_seconds = 2 * FEW_SECONDS if is_quick() else MANY_SECONDS
    videos: dict[str, Video] = {}
    with metered_cloud(say) as account:
        meter = Meter(account)
        for name, seconds in (("cold", FEW_SECONDS), ("few", FEW_SECONDS), ("many", many_seconds)):
            videos[name] = meter.of_video(name, seconds)
            say(f"{name}: one video, generated for {seconds:.0f} s, {videos[name].counts['polls']:.0f} polls")
    return result(videos["cold"], videos["few"], videos["many"])


# --- the result -------------------------------------------------------------------------------------------------------


ROWS = {
    "first_receive": "the job is there from the first receive on",
    "attempt": "each submission has a row of its own",
    "generation": "each generation has a row of its own",
    "transactions": "a job and its submission's row change together",
}
"""What a job takes of the tables so that nothing is paid twice and nothing ends in silence, beside the job's own row."""


def what_rows_add(job: Counts, usd: float) -> dict[str, float]:
    """Return the write units of each of `ROWS`, what they cost together in US dollars, and their share of a bill of `usd`."""
    units = {name: job.get(f"write_units_of_{name}", 0.0) for name in ROWS}
    added = cost({"dynamodb_write_units": sum(units.values())})
    return {**{name: rounded(one) for name, one in units.items()}, "usd": rounded(added), "share": rounded(added / usd)}


def on_a_network(counts: Counts, megabytes: int) -> dict[str, float]:
    """Return the counts with the time that calls take on a network, in a function of this size."""
    seconds = counts["aws_calls"] * AWS_CALL_SECONDS + counts["provider_calls"] * PROVIDER_CALL_SECONDS
    return plus(counts, {"lambda_gb_seconds": seconds * megabytes / 1024})


def result(cold: Video, few: Video, many: Video) -> dict[str, Any]:
    """Return the whole result, from three counted videos. Raises ValueError where an item is too large for its reads."""
    if max(one.item_bytes for one in (cold, few, many)) > 4096:
        raise ValueError("a job's item is larger than one read unit")
    local_poll = each_poll(few.counts, many.counts)
    poll = on_a_network(local_poll, POLL_MEGABYTES)
    rest = on_a_network(less(cold.counts, times(local_poll, cold.counts["polls"])), JOB_MEGABYTES)
    rest = plus(rest, {"lambda_gb_seconds": DOWNLOAD_SECONDS * JOB_MEGABYTES / 1024})
    states_a_poll = times(less(many.states, few.states), 1 / (many.counts["polls"] - few.counts["polls"]))
    longest = plus(few.states, times(states_a_poll, LONGEST_POLLS - few.counts["polls"]))
    videos = [_video(minutes, poll, rest) for minutes in MINUTES]
    usual = next(one for one in videos if one["minutes"] == USUAL_MINUTES)
    cheapest = min(PRICE_CENTS.values()) / 100
    polls = many.counts["polls"] - few.counts["polls"]
    return {
        "what": "What AWS takes for one video, counted in a local run and priced by AWS's list.",
        "method": METHOD.replace("\n", " "),
        "runs": 3,
        "prices_of": PRICES_OF,
        "prices": {name: f"${price.usd:.10g} for {price.per:,.0f} {price.unit}" for name, price in PRICES.items()},
        "assumed": ASSUMED,
        "left_out": list(LEFT_OUT),
        "counted_polls": {"cold": cold.counts["polls"], "few": few.counts["polls"], "many": many.counts["polls"]},
        "a_poll": _told(poll),
        "the_rest_of_a_job": _told(rest),
        "calls_a_poll": _calls_a_poll(few, many),
        "calls_of_a_cold_job_with_its_polls": cold.calls,
        "job_item_bytes": many.item_bytes,
        "what_the_rows_add": what_rows_add(rest, usual["usd"]),
        "history_events": {
            "a_poll_on_aws": rounded(history_events(states_a_poll) - EVENTS_AROUND),
            "a_poll_here": rounded((many.local_events - few.local_events) / polls),
            "note": "the local engine leaves out one of a Task's five events; states entered are the same",
            "longest_allowed_job": history_events(longest),
        },
        "videos": videos,
        "tables": _tables(videos),
        "summary": [
            [
                f"AWS's bill for a video that takes {USUAL_MINUTES} minutes",
                f"${usual['usd']:.4f}",
                f"{usual['share_of_cheapest_video']:.2%} of the cheapest video (${cheapest:.2f})",
            ],
            [
                "the same with one function that sleeps, and may lose the video",
                f"${usual['sleeping_function']['usd']:.4f}",
                f"ours is {usual['sleeping_function']['ours_against_it']:.1f} times that",
            ],
        ],
        "targets": [
            held_to(f"AWS's bill for a video that takes {USUAL_MINUTES} minutes", usual["usd"], 0.0035, "US dollars"),
            held_to(
                "that bill, in per cent of the cheapest video", usual["share_of_cheapest_video"] * 100, 1.0, "per cent"
            ),
            held_to(
                f"history events of the longest allowed job ({LONGEST_POLLS:,} polls)",
                history_events(longest),
                MOST_EVENTS,
            ),
        ],
    }


def _video(minutes: int, poll: Counts, rest: Counts) -> dict[str, Any]:
    seconds = minutes * 60
    polls = seconds // POLL_INTERVAL
    job = job_with(polls, poll, rest, seconds)
    ours, asleep, bare = cost(job), cost(sleeper(job, rest, seconds)), cost(textbook(job))
    cheapest = min(PRICE_CENTS.values()) / 100
    return {
        "minutes": minutes,
        "polls": polls,
        "transitions": rounded(job["transitions"]),
        "usd": rounded(ours),
        "share_of_cheapest_video": rounded(ours / cheapest),
        "usd_by_service": {service: rounded(usd, 3) for service, usd in cost_by_service(job).items()},
        "if_functions_ran_ten_times_as_long": rounded(
            cost({**job, "lambda_gb_seconds": 10 * job["lambda_gb_seconds"]})
        ),
        "sleeping_function": {
            "usd": rounded(asleep),
            "ours_against_it": rounded(ours / asleep),
            "videos_whose_saving_one_lost_video_eats": math.floor(cheapest / (ours - asleep))
            if ours > asleep
            else None,
            "ends_before_the_time_out_of_15_minutes": seconds < SLEEPER_LONGEST_SECONDS,
        },
        "without_tables": {"usd": rounded(bare), "ours_against_it": rounded(ours / bare)},
    }


def _told(counts: Counts) -> dict[str, float]:
    return {name: rounded(counts.get(name, 0.0)) for name in PRICES} | {"usd": rounded(cost(counts))}


def _calls_a_poll(few: Video, many: Video) -> dict[str, float]:
    polls = many.counts["polls"] - few.counts["polls"]
    added = {name: (count - few.calls.get(name, 0)) / polls for name, count in many.calls.items()}
    return {name: rounded(count) for name, count in sorted(added.items()) if count}


def _tables(videos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    services = list(videos[0]["usd_by_service"])
    return [
        {
            "title": f"AWS's bill for one video, US dollars ({PRICES_OF})",
            "columns": ["the generation takes", *(f"{one['minutes']} min" for one in videos)],
            "rows": [
                ["polls", *(str(one["polls"]) for one in videos)],
                *([service, *(f"{one['usd_by_service'][service]:.6f}" for one in videos)] for service in services),
                ["**all**", *(f"**{one['usd']:.5f}**" for one in videos)],
                ["share of the cheapest video", *(f"{one['share_of_cheapest_video']:.2%}" for one in videos)],
                ["the same without tables", *(f"{one['without_tables']['usd']:.5f}" for one in videos)],
                [
                    "one function that sleeps (15 minutes at most)",
                    *(f"{one['sleeping_function']['usd']:.5f}" for one in videos),
                ],
            ],
        }
    ]
