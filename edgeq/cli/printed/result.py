"""The one JSON document that --json puts on stdout: a result, or else what failed."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """Why there is no result."""

    #: name of the class in edgeq.errors; usage: words that the command line does not know; bug
    kind: str
    #: what happened, in one sentence
    what: str
    #: a file, a node, an option
    where: str
    #: what the user can do about it
    fix: str
    #: of the process
    exit_code: int


@dataclass(frozen=True)
class Failed:
    """The document of an error."""

    error: Failure


class JsonResult:
    """What one run has printed as JSON."""

    #: whether a result is on stdout
    printed = False

    def __init__(self, wanted: bool) -> None:
        """wanted: whether --json was given."""
        self._wanted = wanted
        JsonResult.printed = False

    def failed(self, failure: Failure) -> None:
        """Print the error, unless a result is printed already: stdout has one document."""
        if not self._wanted or JsonResult.printed:
            return
        from edgeq.io.strict_json import to_document

        sys.stdout.write(to_document(Failed(failure)))


def print_result(result: object) -> None:
    """Print the result of a run on stdout."""
    from edgeq.io.strict_json import to_document

    JsonResult.printed = True
    sys.stdout.write(to_document(result))
