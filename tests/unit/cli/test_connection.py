"""Finding the stack that a command works on."""

from pathlib import Path

import pytest

from dropreel_cli.command_line import StackOptions
from dropreel_cli.connection import LOCAL_CLOUD_VARIABLE, connect
from dropreel_cli.exits import CommandError, Exit


@pytest.mark.parametrize("content", ["", '{"pid": 1', "[]", "{}", '{"pid": "x"}'])
def test_a_damaged_file_of_the_local_cloud_is_named(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cloud.json"
    file.write_text(content, encoding="utf-8")
    monkeypatch.setenv(LOCAL_CLOUD_VARIABLE, str(file))

    with pytest.raises(CommandError, match=f"{file} is damaged") as caught:
        connect(StackOptions(local=True))

    assert caught.value.exit_status is Exit.UNREACHABLE
