"""Starts the simulator from the command line."""

import argparse
from collections.abc import Sequence

from .generations import Pace
from .rendering import FRAMES_PER_SECOND
from .server import loopback_socket, serve
from .simulator import Simulator


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.provider_simulator",
        description="Simulates the nohuman image-to-video provider over HTTP, with real videos.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port (default %(default)s)")
    parser.add_argument("--api-key", required=True, metavar="KEY", help="the key that callers must send")
    parser.add_argument(
        "--created-seconds", type=_seconds, default=1.0, help="seconds in `created` (default %(default)s)"
    )
    parser.add_argument(
        "--processing-seconds", type=_seconds, default=6.0, help="least seconds in `processing` (default %(default)s)"
    )
    parser.add_argument(
        "--frames-per-second",
        type=int,
        choices=range(1, FRAMES_PER_SECOND + 1),
        default=FRAMES_PER_SECOND,
        metavar="FRAMES",
        help="fewer take less processor time; the duration is the same (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, help="seed of the fault rules' probabilities")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when the parent process or standard input ends"
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError(text)
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs until stopped. Exits with 0, or with 2 for a wrong option or an address that it cannot listen on."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        listener = loopback_socket(options.host, options.port)
    except (ValueError, OverflowError, OSError) as error:
        parser.error(f"cannot listen on {options.host}:{options.port}: {error}")
    pace = Pace(options.created_seconds, options.processing_seconds)
    serve(Simulator(options.api_key, pace, options.seed, options.frames_per_second), listener, options.stop_with_parent)


if __name__ == "__main__":
    main()
