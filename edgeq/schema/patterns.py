"""Find the nodes that a pattern of the recipe matches."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.read import nodes


def kept_nodes(model: ir.Model, pattern: str) -> tuple[str, ...]:
    """Names of the nodes that a keep_float pattern matches.

    Raises BadRecipe for an invalid regular expression.
    """
    return tuple(n.name for n in nodes(model) if n.name and _matches(pattern, n.name, n.op_type))


def _matches(pattern: str, name: str, op_type: str) -> bool:
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
        try:
            return re.search(pattern[1:-1], name) is not None
        except re.error as problem:
            what = f"keep_float pattern {pattern!r} is not a regular expression: {problem}."
            raise BadRecipe(what, "keep_float", "Correct it, or use a glob.") from None
    return pattern in (op_type, name) or fnmatchcase(name, pattern)  # a name may hold brackets, which a glob would interpret
