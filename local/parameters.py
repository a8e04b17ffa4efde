"""The stack's parameters in a local run: its defaults, and those of `dropreel up DailySpendLimitUsd=1`."""

from collections.abc import Mapping

LOCAL_DEFAULTS = {"UploadSettleSeconds": "1"}
"""Where a local run differs from the template's defaults: local uploads need no time to settle."""


def local_parameters(base_url: str, api_key: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the default parameters of a local stack; `base_url` is the simulator's address, which a rehearsal does not call."""
    key = "rehearsal" if given.get("Rehearsal") == "true" else api_key
    return {"NohumanApiKey": key, "NohumanApiBaseUrl": base_url, **LOCAL_DEFAULTS}
