"""How the local engine reads its own stores; part of engine_corrections.py."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def read_copies_of_stores() -> None:
    """A list of things, while other requests add some.

    AWS: answers.
    The engine: lists a store with `list(items())`. Python 3.11 may collect garbage in the middle of that and run another thread;
    where that one adds an item, the request fails with "dictionary changed size during iteration". A log group's deletion lists
    every log event, so that it and its stack failed now and then. Since Python 3.12, garbage is not collected there.
    """
    responses: Any = import_module("ministack.core.responses")
    for store in (responses.AccountScopedDict, responses.AccountRegionScopedDict):
        for name in ("values", "items", "values_scoped", "items_scoped", "all_items"):
            if hasattr(store, name):
                setattr(store, name, _of_a_copy(store, getattr(store, name)))


def _of_a_copy(store: Any, read: Callable[..., Any]) -> Callable[..., Any]:
    def read_copy(self: Any, *scope: str) -> Any:
        copy = store()
        copy._data = self._data.copy()  # creates no object for each item: nothing runs in the middle of it
        return read(copy, *scope)

    return read_copy
