"""Numbers to look at: `python -m tests.counting scenarios|month|takes|accuracy|speed`."""

import sys

from tests.counting import tables

if __name__ == "__main__":
    tables.main(sys.argv[1:])
