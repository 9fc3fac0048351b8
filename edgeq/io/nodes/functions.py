"""Write out model-local functions where they are called, within the budget of function_budget.py.

Time is linear in the nodes that come of it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass

import onnx

from edgeq.graph.edit import FreeNames
from edgeq.io.nodes.function_budget import Key, called_by, key_of
from edgeq.io.nodes.walk import bodies_of


def write_out_functions(proto: onnx.ModelProto) -> None:
    """Replace every call of a function by its nodes, in place; functions that nothing calls vanish.

    The model has been checked by check_functions and by onnx.checker, which compares the opsets.
    """
    if not proto.functions:
        return
    functions = {key_of(function): function for function in proto.functions}
    known = {entry.domain for entry in proto.opset_import}
    for function in proto.functions:
        for entry in function.opset_import:
            if entry.domain not in known:
                known.add(entry.domain)
                proto.opset_import.append(entry)
    _Writer(functions, FreeNames(_value_names(proto.graph))).graph(proto.graph)
    del proto.functions[:]


@dataclass(frozen=True)
class _Writer:
    """Writes out the calls of functions."""

    #: every function of the model
    functions: Mapping[Key, onnx.FunctionProto]
    #: the names of values that are taken
    names: FreeNames

    def graph(self, graph: onnx.GraphProto) -> None:
        """Write out the calls of a graph and of the bodies of its nodes, in place."""
        if not any(called_by(node) in self.functions for node in graph.node):
            for body in (body for node in graph.node for body in bodies_of(node)):
                self.graph(body)
            return
        made = [inner for node in graph.node for inner in self._nodes(node)]
        del graph.node[:]
        graph.node.extend(made)

    def _nodes(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        function = self.functions.get(called_by(node))
        if function is None:
            for body in bodies_of(node):
                self.graph(body)
            yield node
            return
        if len(node.input) > len(function.input):
            raise ValueError(f"a call gives the function {function.name} {len(node.input)} inputs, and it has {len(function.input)}")
        given = {attribute.name: attribute for attribute in (*function.attribute_proto, *node.attribute)}
        values: dict[str, str] = dict(zip(function.input, (*node.input, *[""] * len(function.input)), strict=False))
        results = {name: wanted for name, wanted in zip(function.output, node.output, strict=False) if wanted}
        passed = {name: wanted for name, wanted in results.items() if name in values}
        for inner in function.node:
            own = onnx.NodeProto()
            own.CopyFrom(inner)
            _bind(own, given)
            self._rename(own, values, {name: wanted for name, wanted in results.items() if name not in passed})
            yield from self._nodes(own)
        for name, wanted in passed.items():  # an input that is handed out as it is
            yield onnx.helper.make_node("Identity", [values[name]], [wanted])

    def _rename(self, node: onnx.NodeProto, values: MutableMapping[str, str], results: Mapping[str, str]) -> None:
        """Give the values of a function's node, and of its bodies, the names that they have here.

        values: name in the function -> name here, to which the node's outputs are added.
        """
        for place, name in enumerate(node.input):
            node.input[place] = values.get(name, name)
        for body in bodies_of(node):
            self._rename_body(body, values)
        for place, name in enumerate(node.output):
            if name:
                values[name] = node.output[place] = results.get(name) or self.names.free(name)

    def _rename_body(self, body: onnx.GraphProto, outer: MutableMapping[str, str]) -> None:
        values = ChainMap[str, str]({}, outer)
        for holder in (*body.input, *body.initializer):  # a name may be of both
            if holder.name not in values.maps[0]:
                values[holder.name] = self.names.free(holder.name)
            holder.name = values[holder.name]
        for node in body.node:
            self._rename(node, values, {})
        for info in (*body.value_info, *body.output):
            info.name = values.get(info.name, info.name)


def _bind(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> None:
    """Give attributes that refer to those of the call their values, in bodies as well."""
    if any(attribute.ref_attr_name for attribute in node.attribute):
        kept: list[onnx.AttributeProto] = []
        for attribute in node.attribute:
            bound = given.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
            if bound is not None:
                kept.append(onnx.AttributeProto())
                kept[-1].CopyFrom(bound)
                kept[-1].name = attribute.name
        del node.attribute[:]
        node.attribute.extend(kept)
    for body in bodies_of(node):
        for inner in body.node:
            _bind(inner, given)


def _value_names(graph: onnx.GraphProto) -> set[str]:
    names = {value.name for value in (*graph.input, *graph.initializer, *graph.output)}
    for node in graph.node:
        names.update(node.output)
        for body in bodies_of(node):
            names |= _value_names(body)
    return names
