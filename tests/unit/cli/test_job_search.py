"""Finding the jobs that a user names."""

from typing import Any

import pytest

from dropreel_cli.exits import CommandError
from dropreel_cli.job_search import JobSearch
from tests.support.sample_jobs import NOON


def test_a_name_that_is_not_unicode_names_no_job() -> None:
    # given a table that must not be asked: no request can contain such a name
    lists: Any = None
    # when a byte of the command line is not UTF-8, as for a file with a name in Latin-1
    with pytest.raises(CommandError, match="There is no job"):
        JobSearch(lists, NOON, NOON).find("caf\udce9.jpg")
