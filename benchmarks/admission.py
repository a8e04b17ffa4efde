"""How soon a drop is accepted by the provider, and how soon a finished video is told: on the local cloud, with its floor.

Both ways run through the engine, whose own share is measured beside them with empty functions (engine_floor.yaml).
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from benchmarks.local_account import Floor, LocalAccount, Upload, completed_events, figures, held_to, wait_until
from benchmarks.measure import is_quick, rounded
from local.cloud import running_cloud
from local.event_tail import event_tail

POLL_SECONDS = 5
"""The template's default."""
PARAMETERS = {"PollIntervalSeconds": str(POLL_SECONDS), "DailySpendLimitUsd": "unlimited", "UploadSettleSeconds": "0"}
DROPS = 50
SLOT_SECONDS = 2.3
"""A drop begins each so many seconds. No multiple of it is near the time from a drop to its polls, so that steps seldom meet."""
FLOOR_AFTER_SECONDS = 1.4
CREATED_SECONDS = 0.5
SHORTEST_SECONDS = 1.0
"""The quickest generation; the slowest takes one poll interval more, so that every phase of the interval is met alike."""
OVERHEAD_SECONDS = 1.5
"""What may be added to one poll interval until a finished video is told."""
END_SECONDS = 60
FOLDER = "drops"

METHOD = """\
The stack of template.yaml on the local cloud, and beside it engine_floor.yaml: the same services in the same order with
empty functions. A drop begins every 2.3 s, its floor 1.4 s later, whatever became of those before: their waits overlap,
their work hardly does (a drop is admitted in a fraction of a second, then waits for its poll). The provider's generation
takes 1 s to 6 s, evenly spread over one poll interval in a fixed random order, so that the wait for the next poll is met
in every length; its floor is done after the same time. UploadSettleSeconds is 0: the floor's queue has no delay either.
Functions are warm, and the one video is rendered already: the first drop, which is neither, is kept apart.
Admission: from put_object's answer to the arrival of the POST (the simulator's own time) and to the accepted answer
(submitted_at of the job). The floor is the start of the empty function behind the same bucket, rule and queue; the engine
may start it before put_object has its answer, so both are held against each other from the call of put_object.
Delivery: from the earliest moment at which the provider could have said completed (arrival of the POST plus the
generation's time; accepted is a little later, so this is never too short) to the moment the bus gave the Completed event
to a queue (SQS's SentTimestamp, in milliseconds, so that looking into the queue later changes nothing). The floor is a
state machine of Wait 5, an empty function, a Choice and a last empty function: from when its work is done to when it comes
to the last function."""


@dataclass(frozen=True)
class Dropped:
    """One drop and its floor: how long the generation takes, both uploads, when the floor's work is done."""

    key: str
    generation_seconds: float
    uploaded: Upload
    floor_uploaded: Upload
    floor_done_at: float
    floor_execution: str


def run(say: Callable[[str], None]) -> dict[str, Any]:
    """Return times in seconds and their ratios to the floor's."""
    drops = 4 if is_quick() else DROPS
    with running_cloud(say, PARAMETERS, CREATED_SECONDS, SHORTEST_SECONDS - CREATED_SECONDS) as cloud:
        account = LocalAccount(cloud)
        say("deploying the engine's floor")
        floor = account.deploy_floor()
        with event_tail(cloud.stack) as tail:
            cold = _first_drop(account, floor)
            say(f"{drops} drops, one every {SLOT_SECONDS} s")
            dropped = [_drop(account, floor, number, seconds) for number, seconds in enumerate(generation_times(drops))]
            jobs = {job["image"]["key"]: job for job in account.jobs_when_ended(FOLDER, drops, END_SECONDS)}
            floor.wait_for_executions(drops, dropped[0].uploaded.began_at, END_SECONDS)
            return _result(account, floor, dropped, jobs, completed_events(account, tail), cold)


def generation_times(drops: int) -> list[float]:
    """Return how long each generation takes, in seconds: evenly over one poll interval, in an order that is always the same."""
    times = [SHORTEST_SECONDS + POLL_SECONDS * (number + 0.5) / drops for number in range(drops)]
    random.Random(drops).shuffle(times)
    return times


def _first_drop(account: LocalAccount, floor: Floor) -> dict[str, float]:
    """Start every function and render the video; return how long the cold start made the first drop wait."""
    uploaded = account.put("cold/image.jpg")
    (job,) = account.jobs_when_ended("cold", 1, END_SECONDS)
    floor_uploaded = floor.put("cold/image.jpg")
    floor.start(0, 1)
    floor.wait_for_executions(1, floor_uploaded.began_at, END_SECONDS)
    ours = _seconds(job["submitted_at"]) - uploaded.began_at
    theirs = floor.submitted()["cold/image.jpg"] - floor_uploaded.began_at
    return {"seconds": rounded(ours), "floor_seconds": rounded(theirs), "ratio": rounded(ours / theirs)}


def _drop(account: LocalAccount, floor: Floor, number: int, seconds: float) -> Dropped:
    """Drop an image and its floor, and wait for the end of their slot; the provider has accepted the image by then."""
    key = f"{FOLDER}/{number:03d}.jpg"
    began = time.monotonic()
    simulator = account.cloud.simulator.client
    before = simulator.summary()["paid"]
    simulator.set_pace(created_seconds=CREATED_SECONDS, processing_seconds=seconds - CREATED_SECONDS)
    uploaded = account.put(key)
    _sleep_until(began + FLOOR_AFTER_SECONDS)
    done_at = time.time() + seconds
    floor_execution = floor.start(done_at, POLL_SECONDS)
    floor_uploaded = floor.put(key)
    _sleep_until(began + SLOT_SECONDS)
    # The next drop changes the pace, which an image takes when it is accepted.
    wait_until(lambda: simulator.summary()["paid"] > before, END_SECONDS, f"{key} was accepted")
    return Dropped(key, seconds, uploaded, floor_uploaded, done_at, floor_execution)


def _result(
    account: LocalAccount,
    floor: Floor,
    dropped: list[Dropped],
    jobs: dict[str, dict[str, Any]],
    told: dict[str, float],
    cold: dict[str, float],
) -> dict[str, Any]:
    posts = {_key(one): _seconds(one["at"]) for one in account.cloud.simulator.client.submissions()}
    started = floor.submitted()
    posted = [posts[one.key] - one.uploaded.began_at for one in dropped]
    finished = [posts[one.key] - one.uploaded.finished_at for one in dropped]
    accepted = [_seconds(jobs[one.key]["submitted_at"]) - one.uploaded.finished_at for one in dropped]
    empty = [started[one.key] - one.floor_uploaded.began_at for one in dropped if one.key in started]
    delivered = [told[one.key] - posts[one.key] - one.generation_seconds for one in dropped]
    floor_delivery = [floor.delivered(one.floor_execution) - one.floor_done_at for one in dropped]
    own = [ours - theirs for ours, theirs in zip(delivered, floor_delivery, strict=True)]
    late = [_seconds(jobs[one.key]["submitted_at"]) - posts[one.key] for one in dropped]
    delivery, floor_delivery_figures = figures(delivered), figures(floor_delivery)
    admission, floor_admission = figures(posted), figures(empty)
    return {
        "what": "How soon a drop is at the provider, and how soon a finished video is told, beside the engine's own share.",
        "method": METHOD.replace("\n", " "),
        "runs": len(dropped),
        "poll_interval_seconds": POLL_SECONDS,
        "polls": {str(polls): sum(jobs[one.key]["polls"] == polls for one in dropped) for polls in _polls(jobs)},
        "paid_once": len(posts) == len(dropped) + 1 == account.cloud.simulator.client.summary()["paid"],
        "admission_seconds": {
            "upload_finished_to_post": figures(finished),
            "upload_finished_to_accepted": figures(accepted),
            "upload_begun_to_post": admission,
            "upload_begun_to_empty_function": floor_admission,
        },
        "admission_median_own_share_seconds": rounded(admission["median"] - floor_admission["median"]),
        "admission_median_ratio_to_floor": rounded(admission["median"] / floor_admission["median"]),
        "first_drop_with_cold_functions": cold,
        "delivery_seconds": {
            "completed_to_event": delivery,
            "engine_floor": floor_delivery_figures,
            "completed_may_be_reckoned_too_early_by_at_most": rounded(max(late)),
        },
        "delivery_own_share_seconds": figures(own),
        "delivery_median_ratio_to_floor": rounded(delivery["median"] / floor_delivery_figures["median"]),
        "tables": [
            {
                "title": f"{len(dropped)} drops on the local cloud, seconds",
                "columns": ["from, to", "median", "95th percentile", "empty functions: median", "95th percentile"],
                "rows": [
                    _row("upload begun, POST at the provider", admission, floor_admission),
                    _row(
                        f"completed at the provider, Completed event (polls every {POLL_SECONDS} s)",
                        delivery,
                        floor_delivery_figures,
                    ),
                ],
            }
        ],
        "summary": [
            [
                "from the provider's completed to the Completed event, 95th percentile",
                f"{delivery['p95']:.1f} s with polls every {POLL_SECONDS} s",
                f"{floor_delivery_figures['p95']:.1f} s with empty functions",
            ]
        ],
        "targets": [
            held_to(
                "provider's completed to the Completed event at the 95th percentile: one poll interval and 1.5 s",
                delivery["p95"],
                POLL_SECONDS + OVERHEAD_SECONDS,
                "s",
            )
        ],
    }


def _row(what: str, ours: dict[str, float], floor: dict[str, float]) -> list[str]:
    return [what, *(f"{one[name]:.3f}" for one in (ours, floor) for name in ("median", "p95"))]


def _polls(jobs: dict[str, dict[str, Any]]) -> list[int]:
    return sorted({int(job["polls"]) for job in jobs.values()})


def _key(submission: dict[str, Any]) -> str:
    """Return the key of the image that a submission was about."""
    path = unquote(submission["request"]["image_url"].partition("?")[0])
    return "/".join(path.split("/")[-2:])


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
