"""The stack's parameters in a local run: its defaults, and those of `dropreel up DailySpendLimitUsd=1`."""

LOCAL_DEFAULTS = {"UploadSettleSeconds": "1"}
"""Where a local run differs from the template's defaults: local uploads need no time to settle."""


def local_parameters(base_url: str, api_key: str) -> dict[str, str]:
    """Return the default parameters of a local stack; `base_url` is the simulator's address."""
    return {"NohumanApiKey": api_key, "NohumanApiBaseUrl": base_url, **LOCAL_DEFAULTS}
