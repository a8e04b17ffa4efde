"""`python -m dropreel_cli`: the `dropreel` command."""

import sys

from dropreel_cli.app import main

if __name__ == "__main__":
    sys.exit(main())
