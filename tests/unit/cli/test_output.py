"""Text is printed as it is."""

import pytest

from dropreel_cli.output import Output


def test_colons_around_a_word_are_not_an_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    Output().text("arn:aws:secretsmanager:eu-central-1:123456789012:secret:key [bold]")
    Output().note("arn:secret:key")

    printed = capsys.readouterr()
    assert printed.out == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key [bold]\n"
    assert printed.err == "arn:secret:key\n"
