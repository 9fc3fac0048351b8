"""Give every node and every value a name that is unique in the whole model, bodies included."""

from __future__ import annotations

import re
from collections.abc import Iterator

import onnx_ir as ir

from edgeq.graph.edit import FreeNames
from edgeq.graph.read import graphs, nodes

#: onnxruntime appends this to nodes that it makes; a node of the model whose name ends like that
#: could not be told apart from them when the optimized graph is read back
_TOKEN = re.compile(r"_token_\d+$")


def unique_names(model: ir.Model) -> bool:
    """Rename nodes and values in place; returns whether anything changed.

    Names are the keys of statistics, plan and report.

    1. Inputs and outputs of the main graph keep their names.
    2. The first holder of a name keeps it, later ones get _1, _2, ...
    3. A node without a name is called <OpType>_<index in walk order>; a name that ends in
       _token_<n> gets an underscore appended.
    """
    changed_values = _name_values(model)
    changed_nodes = _name_nodes(model)
    return changed_values or changed_nodes


def _name_nodes(model: ir.Model) -> bool:
    used = FreeNames(node.name for node in nodes(model) if node.name)
    seen: set[str] = set()
    changed = False
    for index, node in enumerate(nodes(model)):
        wanted = node.name or f"{node.op_type}_{index}"  # case 3
        wanted = f"{wanted}_" if _TOKEN.search(wanted) else wanted
        kept = wanted == node.name and wanted not in seen  # case 2
        name = wanted if kept else used.free(wanted)
        seen.add(name)
        if name != node.name:
            node.name = name
            changed = True
    return changed


def _name_values(model: ir.Model) -> bool:
    every = list(_values(model))
    used = FreeNames(value.name for value in every if value.name)
    holders: dict[str, ir.Value] = {}
    for value in (*model.graph.inputs, *model.graph.outputs):  # case 1
        holders.setdefault(value.name or "", value)
    renamed = [value for value in every if not value.name or holders.setdefault(value.name, value) is not value]
    if renamed:
        ir.convenience.rename_values(renamed, [used.free(value.name or "value") for value in renamed])
    return bool(renamed)


def _values(model: ir.Model) -> Iterator[ir.Value]:
    """Every value once, in the graph that defines it.

    An output named "" that nothing reads is an optional output left out; it is skipped.
    """
    for graph in graphs(model):
        defined = {id(value): value for value in (*graph.inputs, *graph.initializers.values())}
        for node in graph:
            defined.update((id(value), value) for value in node.outputs if value.name or value.uses())
        yield from defined.values()
