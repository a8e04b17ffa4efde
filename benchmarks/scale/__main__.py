"""`python -m benchmarks.scale`: simulate, and write the tables of docs/scale.md anew."""

import sys

from benchmarks.measure import ROOT
from benchmarks.scale import renewed, run


def main() -> None:
    """Simulate, and write the page's tables anew."""
    page = ROOT / "docs" / "scale.md"
    page.write_text(renewed(page.read_text(encoding="utf-8"), run(lambda _: None)), encoding="utf-8")
    sys.stdout.write(f"{page.relative_to(ROOT)}: its tables are written anew\n")


if __name__ == "__main__":
    main()
