"""Read reports that edgeq wrote as JSON, to draw them as pages."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edgeq.errors import BadReport
from edgeq.io.limits import MAX_JSON, limited_text, parse_json
from edgeq.io.run_files import note_read
from edgeq.report.float_report import FloatReport
from edgeq.report.report import SCHEMA_VERSION, Report

_FIX = "Give a file that `edgeq quantize`, `palettize` or `finetune` wrote with --report NAME.json."


def read_report(path: Path) -> Report | FloatReport:
    """The report in a file. Raises BadReport."""
    note_read(path)
    try:
        document = parse_json(limited_text(path, MAX_JSON))
    except OSError as problem:
        raise BadReport(f"The report cannot be read: {problem.strerror or problem}.", str(path), "Check the path.") from None
    except ValueError as problem:
        raise BadReport(f"The file is not a report: {problem}.", str(path), _FIX) from None
    if not isinstance(document, dict) or "size" not in document:
        raise BadReport("The file is not a report of edgeq.", str(path), _FIX)
    version = document.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        what = f"The report has schema version {version!r}; this edgeq reads {SCHEMA_VERSION}."
        raise BadReport(what, str(path), "Read it with the edgeq that wrote it, or write it again.")
    kind = FloatReport if "codebook" in document and "recipe" not in document else Report
    return _typed(kind, document, path)


def _typed(kind: type[Report] | type[FloatReport], document: object, path: Path) -> Report | FloatReport:
    adapter: TypeAdapter[Report | FloatReport] = TypeAdapter(kind)
    try:
        return adapter.validate_python(document)
    except ValidationError as problem:
        for error in problem.errors():
            if error["type"] == "float_type" and error["input"] is None:
                _give_back(document, error["loc"])
    try:
        return adapter.validate_python(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise BadReport(f"The file is not a report of edgeq, or a damaged one: {first['msg']} at `{key}`.", str(path), _FIX) from None


def _give_back(document: object, place: tuple[int | str, ...]) -> None:
    """Put back a number that JSON lacks: an SQNR is infinite, unless nothing was compared."""
    at: object = document
    for step in place[:-1]:
        at = at.get(step) if isinstance(at, dict) else at[int(step)] if isinstance(at, list) else None
    last = place[-1]
    if isinstance(at, dict):
        at[last] = math.inf if str(last).endswith("_db") and at.get("compared") != 0 else math.nan
    elif isinstance(at, list):
        at[int(last)] = math.nan
