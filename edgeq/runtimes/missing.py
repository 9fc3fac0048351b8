"""What is missing, said clearly: every runtime here is an optional dependency."""

from __future__ import annotations

from edgeq.errors import MissingExtra


def missing(runtime: str, package: str) -> MissingExtra:
    """The error for a runtime that is not installed."""
    what = f"The runtime {runtime} needs the package {package}, which is not installed."
    return MissingExtra(what, f"--runtime {runtime}", f"Install it: pip install {package}, or all of them: pip install 'edgeq[backends]'.")
