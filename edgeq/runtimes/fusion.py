"""Nodes that a runtime runs together, as one kernel, and what has to stay float for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import is_op, operator_of


@dataclass(frozen=True)
class Fusion:
    """Several nodes of a float model that one kernel runs."""

    #: operator type of the kernel, which may be one of the runtime only
    kernel: str
    #: names of the nodes, in the order of the model
    nodes: tuple[str, ...]


def note_fusions(model: ir.Model, found: tuple[Fusion, ...]) -> None:
    """Record the fusions of a model; they stay with it in memory, never in its file."""
    model.meta["edgeq.fusions"] = found


def noted_fusions(model: ir.Model) -> tuple[Fusion, ...]:
    """The fusions recorded of a model; none if nobody looked."""
    found: tuple[Fusion, ...] = model.meta.get("edgeq.fusions", ())
    return found


def broken_by_integers(fusions: Iterable[Fusion], here: Mapping[str, ir.Node], stuck: Collection[str]) -> Iterator[Fusion]:
    """The fusions that are lost if one of their nodes runs in integers although others cannot.

    here: the nodes by name. stuck: names of nodes without an integer form. A fusion with a layer is
    none of these: the layer is worth more in integers.
    """
    for fusion in fusions:
        members = [here[name] for name in fusion.nodes if name in here]
        if any(str(node.name) in stuck for node in members) and not any(operator_of(node).layer for node in members):
            yield fusion


def tied(fusion: Fusion, here: Mapping[str, ir.Node], stuck: Collection[str], slow: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The nodes that are to stay float for the fusion's sake, each with the reason.

    slow: operators before which an Add is better left alone (SlowFusions.add_before): an Add that
    the kernel of such an operator, or of the nodes that it is written out as, takes in is free.
    """
    first = next(name for name in fusion.nodes if name in stuck)
    free = _leading_adds(fusion, here) if any(fusion.kernel.endswith(op_type) and fusion.kernel != op_type for op_type in slow) else set()
    for name in fusion.nodes:
        if name in here and name not in stuck and name not in free and not operator_of(here[name]).relocates:
            why = f"the runtime computes it together with {here[first].op_type} in one float kernel ({fusion.kernel})"
            yield name, why


def _leading_adds(fusion: Fusion, here: Mapping[str, ir.Node]) -> set[str]:
    """The Adds of a fusion that read nothing of it but each other's results."""
    free: set[str] = set()
    for name in (name for name in fusion.nodes if name in here):
        makers = {str(maker.name) for value in here[name].inputs if value is not None and (maker := value.producer()) is not None}
        if is_op(here[name], "Add") and makers.intersection(fusion.nodes) <= free:
            free.add(name)
    return free
