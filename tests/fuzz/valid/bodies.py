"""Nodes that hold graphs, If, Loop and Scan, and nodes that call a function of the model's own."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.fuzz.valid.graph_builder import Builder

_SIMPLE = ("Relu", "Sigmoid", "Neg", "Exp", "Identity", "Tanh")


def add_body(builder: Builder) -> None:
    """Add an If or a Loop around a few simple nodes that read a value of the outer graph."""
    value = builder.pick()
    if value is None or builder.opset < 11:
        return
    if builder.random.random() < 0.6:
        _add_if(builder, value)
    else:
        _add_loop(builder, value)


def _branch(builder: Builder, value: str, kind: onnx.TypeProto, depth: int) -> onnx.GraphProto:
    out = builder.fresh("b")
    nodes = [helper.make_node(builder.random.choice(_SIMPLE), [value], [out])]
    if depth > 0 and builder.random.random() < 0.3:
        condition = builder.constant(np.array(True))
        inner = helper.make_node("If", [condition], [builder.fresh("b")])
        inner.attribute.append(helper.make_attribute("then_branch", _branch(builder, out, kind, depth - 1)))
        inner.attribute.append(helper.make_attribute("else_branch", _branch(builder, value, kind, depth - 1)))
        nodes.append(inner)
        out = inner.output[0]
    return helper.make_graph(nodes, "branch", [], [helper.make_value_info(out, kind)])


def _add_if(builder: Builder, value: str) -> None:
    condition = builder.pick(elements=(TensorProto.BOOL,), ranks=(0,)) or builder.constant(np.array(builder.random.random() < 0.5))
    branches = {key: _branch(builder, value, builder.types[value], 2) for key in ("then_branch", "else_branch")}
    _append(builder, helper.make_node("If", [condition], [builder.fresh("v")], **branches), value)


def _add_loop(builder: Builder, value: str) -> None:
    trips = builder.constant(np.array(builder.random.choice((0, 1, 3)), np.int64))
    names = [builder.fresh("l") for _ in range(5)]
    infos = [
        helper.make_tensor_value_info(names[0], TensorProto.INT64, ()),
        helper.make_tensor_value_info(names[1], TensorProto.BOOL, ()),
        helper.make_value_info(names[2], builder.types[value]),
    ]
    nodes = [
        helper.make_node("Identity", [names[1]], [names[3]]),
        helper.make_node(builder.random.choice(("Relu", "Add")[:1] + _SIMPLE), [names[2]], [names[4]]),
    ]
    outs = [helper.make_tensor_value_info(names[3], TensorProto.BOOL, ()), helper.make_value_info(names[4], builder.types[value])]
    body = helper.make_graph(nodes, "body", infos, outs)
    _append(
        builder,
        helper.make_node(
            "Loop", [trips, builder.random.choice(("", builder.constant(np.array(True)))), value], [builder.fresh("v")], body=body
        ),
        value,
    )


def add_function(builder: Builder, functions: list[onnx.FunctionProto]) -> None:
    """Add a call of a function of the model's own, which may call those before it."""
    value = builder.pick()
    if value is None or builder.opset < 15:
        return
    name = f"Fn{len(functions)}"
    inner = [helper.make_node(builder.random.choice(_SIMPLE), ["a"], ["b"])]
    if functions and builder.random.random() < 0.5:
        inner.append(helper.make_node(functions[-1].name, ["b"], ["c"], domain="own"))
    else:
        inner.append(helper.make_node("Relu", ["b"], ["c"]))
    imports = [helper.make_opsetid("", builder.opset), helper.make_opsetid("own", 1)]
    functions.append(helper.make_function("own", name, ["a"], ["c"], inner, imports))
    _append(builder, helper.make_node(name, [value], [builder.fresh("v")], domain="own"), value)


def _append(builder: Builder, node: onnx.NodeProto, like: str) -> None:
    node.name = builder.fresh(f"{node.op_type}_")
    builder.nodes.append(node)
    builder.types[node.output[0]] = builder.types[like]
