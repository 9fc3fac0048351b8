"""The JSON schemas of what commands print with --json, made of the types of their results.

`python -m edgeq.cli.printed.schema FOLDER` writes one file for each; docs/schemas holds them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BaseModel

from edgeq.io.strict_json import SCHEMA_VERSION

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Python's types -> JSON's; NaN and infinities are written as null
_PLAIN: dict[object, list[str]] = {
    str: ["string"],
    bool: ["boolean"],
    int: ["integer"],
    float: ["number", "null"],
    Path: ["string"],
    types.NoneType: ["null"],
}
#: a schema, or a part of one
Schema = dict[str, Any]


def results() -> dict[str, type]:
    """The type of each document by the name of its schema."""
    from edgeq.cli.convert.text import Conversion
    from edgeq.cli.doctor.facts import Doctor
    from edgeq.cli.finetune.widths_table import WidthsReport
    from edgeq.cli.formats.command import FormatList
    from edgeq.cli.materialize import Materialized
    from edgeq.cli.printed import forms
    from edgeq.cli.printed.result import Failed
    from edgeq.cli.targets import TunedFile
    from edgeq.integers.boards.compare import BoardComparison
    from edgeq.proof.compare import Comparison
    from edgeq.report.float_report import FloatReport
    from edgeq.report.inspection import Inspection
    from edgeq.report.report import Report
    from edgeq.schema.plan import Plan
    from edgeq.schema.target import Target

    return {
        "calibrate": forms.Calibrated, "check": forms.Checked, "compare": Comparison, "compare-board": BoardComparison,
        "convert": Conversion, "doctor": Doctor, "error": Failed, "explain": forms.Explained, "finetune-widths": WidthsReport,
        "formats": FormatList, "init": forms.Initialized, "inspect": Inspection, "materialize": Materialized, "report-page": forms.Page,
        "palettize": FloatReport, "plan": Plan, "prove": forms.Proven, "prove-runtime": forms.ProvenElsewhere, "report": Report,
        "target": Target, "targets": forms.TargetList, "targets-tune": TunedFile,
    }  # fmt: skip


def schema_of(kind: type) -> Schema:
    """The schema of a document.

    kind: a dataclass or a pydantic model. Raises TypeError for a type that has no JSON form.
    """
    known: dict[str, Schema] = {}
    found = _object(kind, known)
    body = found if "$ref" not in found else known[kind.__name__]
    version = {} if "schema_version" in body["properties"] else {"schema_version": {"const": SCHEMA_VERSION}}
    document = {**body, "properties": {**version, **body["properties"]}, "required": [*version, *body["required"]]}
    found = {"$schema": DIALECT, "title": kind.__name__, **document, "$defs": dict(sorted(known.items()))}
    return {key: _ordered(value) for key, value in found.items()}


def _ordered(part: Any) -> Any:
    """A part with its alternatives sorted: Python keeps one of equal Literals, in either order."""
    if isinstance(part, list):
        return [_ordered(one) for one in part]
    if not isinstance(part, dict):
        return part
    alternatives = {key for key in ("enum", "type", "anyOf") if isinstance(part.get(key), list)}
    return {key: sorted(map(_ordered, value), key=json.dumps) if key in alternatives else _ordered(value) for key, value in part.items()}


def _object(kind: type, known: dict[str, Schema]) -> Schema:
    """A reference to the schema of an object, which is put among those that are known."""
    name = kind.__name__
    if name not in known:
        known[name] = {}  # it may hold itself
        known[name] = _model(kind, known) if issubclass(kind, BaseModel) else _dataclass(kind, known)
    return {"$ref": f"#/$defs/{name}"}


def _dataclass(kind: type, known: dict[str, Schema]) -> Schema:
    hints = get_type_hints(kind, localns=dict(_PLAIN_NAMES))
    properties = {field.name: _type(hints[field.name], known) for field in dataclasses.fields(kind)}
    about = (kind.__doc__ or "").split("\n\n")[0]
    return {"type": "object", "description": " ".join(about.split()), "properties": properties, "required": [*properties]}


def _model(kind: type[BaseModel], known: dict[str, Schema]) -> Schema:
    """The schema that pydantic gives, its definitions among the others."""
    found = kind.model_json_schema(mode="serialization")
    for name, one in found.pop("$defs", {}).items():
        known.setdefault(name, one)
    properties = found.setdefault("properties", {})
    found.pop("additionalProperties", None)  # it holds for files that are read: results may gain fields
    return {**found, "required": [*properties]}  # every field is written, those with defaults too


def _type(kind: Any, known: dict[str, Schema]) -> Schema:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind] if len(_PLAIN[kind]) > 1 else _PLAIN[kind][0]}
    if origin is Literal:
        return {"enum": [*inner]}
    if origin in (Union, types.UnionType):
        return _either([_type(one, known) for one in inner])
    if origin in (tuple, list, Sequence) or kind is tuple:
        return _array(inner, known)
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type(inner[1], known)}
    if origin is np.ndarray:
        return {"type": "array"}
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)):
        return _object(kind, known)
    if kind in (Any, object):
        return {}
    raise TypeError(f"{kind} has no JSON schema")


def _array(inner: tuple[Any, ...], known: dict[str, Schema]) -> Schema:
    if len(inner) == 1 or inner[1:] == (...,):
        return {"type": "array", "items": _type(inner[0], known)}
    return {"type": "array", "prefixItems": [_type(one, known) for one in inner], "minItems": len(inner), "maxItems": len(inner)}


def _either(parts: list[Schema]) -> Schema:
    """One of several; plain types are joined."""
    plain = [part["type"] for part in parts if set(part) == {"type"}]
    names = list(dict.fromkeys(name for one in plain for name in ([one] if isinstance(one, str) else one)))
    others = [part for part in parts if set(part) != {"type"}]
    if not others:
        return {"type": names}
    return {"anyOf": [*others, *([{"type": names if len(names) > 1 else names[0]}] if names else [])]}


#: what a class may hide by a field of that name
_PLAIN_NAMES: dict[str, object] = {"float": float, "int": int, "str": str}


def published() -> dict[str, str]:
    """The text of each file by its name."""
    return {f"{name}.json": json.dumps(schema_of(kind), indent=1) + "\n" for name, kind in results().items()}


if __name__ == "__main__":
    for file_name, content in published().items():
        (Path(sys.argv[1]) / file_name).write_text(content, encoding="utf-8")
