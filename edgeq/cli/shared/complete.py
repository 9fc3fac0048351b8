"""What completes the values of options in a shell, each looked up when the key is pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

#: what typer asks for: the part that was typed -> words that begin with it
Complete = Callable[[str], list[str]]


def rules(typed: str) -> list[str]:
    """Range rules."""
    from edgeq.schema.rules import RULES

    return _begin(RULES, typed)


def targets(typed: str) -> list[str]:
    """Shipped targets; the shell adds files."""
    from edgeq.schema.target import shipped_targets

    return _begin(shipped_targets(), typed)


def formats(typed: str) -> list[str]:
    """Number formats of weights."""
    from edgeq.numerics.formats.table import format_words

    return _begin(format_words(), typed)


def sets(typed: str) -> list[str]:
    """Shipped data sets; the shell adds files."""
    from edgeq.data.shipped import shipped_sets

    return _begin(shipped_sets(), typed)


def metrics(typed: str) -> list[str]:
    """Metrics that are built in."""
    from edgeq.metrics.metric import BUILT_IN

    return _begin(BUILT_IN, typed)


def runtimes(typed: str) -> list[str]:
    """Runtimes that prove."""
    from edgeq.runtimes.table import DEFAULT, RUNTIMES

    return _begin((DEFAULT, *RUNTIMES), typed)


def words(*known: str) -> Complete:
    """Completes to one of these words."""

    def complete(typed: str) -> list[str]:
        return _begin(known, typed)

    return complete


def _begin(known: Iterable[str], typed: str) -> list[str]:
    return [word for word in known if word.startswith(typed)]


grains = words("per_channel", "per_tensor")
roundings = words("apart", "in_sequence", "auto")
efforts = words("fast", "default", "best")
objectives = words("accuracy", "latency", "size")
wide_types = words("int16", "uint16")
wishes = words("speed", "integers")
engines = words("local", "processes", "ray")
forms = words("c", "ort")
kinds = words("float", "int8")
parts = words("layer", "block")
ways = words("gradient", "refit")
solvers = words("exact", "fast-pytorch-kmeans")
input_types = words("float", "uint8")
