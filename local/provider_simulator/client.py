"""A client of the simulator's control endpoints, for tests and local runs."""

from collections.abc import Sequence
from typing import Any

import requests

_SECONDS = 10.0


class SimulatorClient:
    """Reads and controls a running simulator. Every call raises requests.HTTPError for an error answer."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")

    def submissions(self) -> list[dict[str, Any]]:
        """Every submission that arrived, in order; see `Submission` for its fields."""
        submissions: list[dict[str, Any]] = self._call("GET", "submissions")
        return submissions

    def summary(self) -> dict[str, Any]:
        """Counts; see `Ledger.summary` for their names."""
        summary: dict[str, Any] = self._call("GET", "summary")
        return summary

    def secrets(self) -> list[str]:
        """The signatures and tokens of all addresses of images and videos so far."""
        secrets: list[str] = self._call("GET", "secrets")
        return secrets

    def set_faults(self, rules: Sequence[dict[str, Any]]) -> None:
        """Replaces all fault rules with these; see `FaultRule`."""
        self._call("PUT", "faults", list(rules))

    def clear_faults(self) -> None:
        """Removes all fault rules."""
        self._call("DELETE", "faults")

    def set_pace(self, **seconds: float) -> None:
        """Changes `created_seconds`, `processing_seconds` or `result_url_seconds` for later submissions."""
        self._call("PUT", "pace", seconds)

    def share_videos(self, one_for_all: bool = True) -> None:
        """Sets whether all images share one video for each shape, length and prompt, from now on."""
        self._call("PUT", "rendering", {"one_for_all": one_for_all})

    def reset(self) -> None:
        """Deletes submissions, generations and fault rules."""
        self._call("POST", "reset")

    def _call(self, method: str, name: str, document: Any = None) -> Any:
        with requests.Session() as session:
            # The simulator is on loopback: a proxy cannot reach it.
            session.trust_env = False
            answer = session.request(method, f"{self.base_url}/simulator/{name}", json=document, timeout=_SECONDS)
        if not answer.ok:
            raise requests.HTTPError(f"{answer.status_code} from the simulator: {answer.text}", response=answer)
        return answer.json()
