"""The local cloud of the end-to-end tests, for tests that take minutes."""

from tests.e2e.conftest import account, reset_simulator

__all__ = ["account", "reset_simulator"]
