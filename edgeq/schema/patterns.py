"""Find the nodes that a pattern of the recipe matches.

Regular expressions are those of RE2, which takes time linear in the pattern times the name. It has
no look-around and no back-references: with them, a pattern can take longer than anyone waits.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import onnx_ir as ir

from edgeq.errors import BadRecipe
from edgeq.graph.read import nodes

#: the longest pattern in characters; the longest names of nodes that exporters write have about 300
MAX_LENGTH = 4096


def kept_nodes(model: ir.Model, pattern: str, key: str = "keep_float") -> tuple[str, ...]:
    """Names of the nodes that a pattern matches. key: of the recipe, where the pattern stands.

    Raises BadRecipe for an invalid regular expression.
    """
    matches = _matcher(pattern, key)
    return tuple(n.name for n in nodes(model) if n.name and matches(n.name, n.op_type))


def exact_pattern(name: str) -> str:
    """The pattern that matches nodes of this name, and nothing that it means as a glob or a type.

    >>> exact_pattern("Conv")
    '/^Conv$/'
    """
    import re2  # type: ignore[import-untyped]  # ships no types

    return f"/^{re2.escape(name)}$/"


def _matcher(pattern: str, key: str) -> Callable[[str, str], bool]:
    """Whether a node of this name and operator type matches the pattern."""
    if len(pattern) > MAX_LENGTH:
        what = f"A pattern has {len(pattern)} characters; the limit is {MAX_LENGTH}."
        raise BadRecipe(what, f"{key}, pattern {pattern[:40]}...", "Give several shorter patterns.")
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "/":
        return _search(pattern, key)
    # a name may hold brackets, which a glob would interpret
    return lambda name, op_type: pattern in (op_type, name) or fnmatchcase(name, pattern)


def _search(pattern: str, key: str) -> Callable[[str, str], bool]:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern[1:-1], options)
    except (re2.error, UnicodeEncodeError) as problem:  # the latter: bytes that are not UTF-8
        reason = problem.args[0].decode(errors="replace") if problem.args and isinstance(problem.args[0], bytes) else str(problem)
        fix = "Correct it (look-around and back-references are not supported), or use a glob."
        raise BadRecipe(f"The pattern {pattern!r} is not a regular expression: {reason}.", key, fix) from None
    return lambda name, _: found.search(name) is not None
