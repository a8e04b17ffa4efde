"""The local cloud of the end-to-end tests, for tests that take minutes."""

from tests.e2e.conftest import account, calm_provider

__all__ = ["account", "calm_provider"]
