"""Keep together in float what the runtime computes with one float kernel, if parts need float."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import onnx_ir as ir

from edgeq.graph.read import is_op, operator_of
from edgeq.runtimes.fusion import Fusion


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
            why = f"the runtime computes it together with {here[first].op_type} {first} in one float kernel ({fusion.kernel})"
            yield name, why


def _leading_adds(fusion: Fusion, here: Mapping[str, ir.Node]) -> set[str]:
    """The Adds of a fusion that read nothing of it but each other's results."""
    free: set[str] = set()
    for name in (name for name in fusion.nodes if name in here):
        makers = {str(maker.name) for value in here[name].inputs if value is not None and (maker := value.producer()) is not None}
        if is_op(here[name], "Add") and makers.intersection(fusion.nodes) <= free:
            free.add(name)
    return free
