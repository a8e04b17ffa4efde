"""The commands of docs/operations.md, in their order."""

import re

from local.cloud import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Return every block of shell commands of the page, and every command inside a sentence, in their order."""
    found = re.findall(
        r"^```sh\n(.*?)^```|`((?:aws|dropreel|lines|make|git|name) [^`\n]+)`|`(dropreel [a-z]+|make [a-z]+)`",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
    return list(dict.fromkeys("".join(one).strip() for one in found))
