"""`python -m edgeq`: the command line, where no script `edgeq` is on the path."""

from __future__ import annotations

import sys

from edgeq.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
