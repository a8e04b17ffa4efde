"""One parsed copy of botocore's descriptions of the AWS services for a whole test process."""

from functools import cache
from typing import Any

import botocore.session
from botocore.loaders import create_loader


class _Paths(list[str]):
    """Search paths without duplicates: boto3 appends its own for each session."""

    def append(self, path: str) -> None:
        if path not in self:
            super().append(path)


@cache
def _shared_loader(data_path: str | None = None) -> Any:
    loader: Any = create_loader(data_path)
    loader._search_paths = _Paths(loader.search_paths)
    return loader


def share_loader() -> None:
    """Let all sessions of this process use one loader: each would parse the same files for half a second."""
    session: Any = botocore.session
    session.create_loader = _shared_loader
