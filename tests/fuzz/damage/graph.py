"""Damage to one graph: its nodes, the wires between them, its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import onnx
from onnx import helper

from tests.fuzz import odd

Damage = Callable[[Random, onnx.GraphProto], None]


def every_graph(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all bodies in it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from every_graph(attribute.g)


def _node(random: Random, graph: onnx.GraphProto) -> onnx.NodeProto:
    return random.choice(graph.node) if graph.node else graph.node.add()


def _names(graph: onnx.GraphProto) -> list[str]:
    made = [name for node in graph.node for name in (*node.output, *node.input)]
    return [*made, *(value.name for value in (*graph.input, *graph.output)), *(tensor.name for tensor in graph.initializer), "", "nowhere"]


def _drop_attribute(random: Random, graph: onnx.GraphProto) -> None:
    node = random.choice([node for node in graph.node if node.attribute] or [onnx.NodeProto(attribute=[onnx.AttributeProto()])])
    del node.attribute[random.randrange(len(node.attribute))]


def _change_attribute(random: Random, graph: onnx.GraphProto) -> None:
    node = random.choice([node for node in graph.node if node.attribute] or [onnx.NodeProto(attribute=[onnx.AttributeProto()])])
    attribute = random.choice(node.attribute)
    if attribute.type == onnx.AttributeProto.INT:
        attribute.i = odd.integer(random)
    elif attribute.type == onnx.AttributeProto.INTS:
        attribute.ints[:] = [
            random.choice((*attribute.ints, odd.integer(random), 1)) for _ in range(random.choice((0, 1, len(attribute.ints), 5)))
        ]
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = odd.real(random)
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = random.choice((b"", b"\xff\xfe", b"bilinear", odd.name(random).encode()))
    else:
        attribute.type = random.choice((1, 2, 3, 6, 7, 99))


def _add_attribute(random: Random, graph: onnx.GraphProto) -> None:
    key = random.choice(
        ("axis", "axes", "perm", "group", "to", "pads", "strides", "kernel_shape", "dilations", "block_size", "alpha", "mode", "extra")
    )
    choices = (odd.integer(random), [odd.integer(random) for _ in range(random.choice((1, 2, 4)))], odd.real(random), odd.name(random))
    _node(random, graph).attribute.append(helper.make_attribute(key, random.choice(choices)))


def _change_type(random: Random, graph: onnx.GraphProto) -> None:
    others = (
        "Relu",
        "Conv",
        "MatMul",
        "Add",
        "Concat",
        "Loop",
        "QuantizeLinear",
        "DequantizeLinear",
        "QLinearConv",
        "Reshape",
        "Split",
        "NoSuch",
    )
    random_schemas = random.choice(onnx.defs.get_all_schemas()).name
    _node(random, graph).op_type = random.choice((*others, random_schemas, random_schemas, odd.name(random)))


def _change_domain(random: Random, graph: onnx.GraphProto) -> None:
    _node(random, graph).domain = random.choice(("ai.onnx", "com.microsoft", "ai.onnx.ml", "own", odd.name(random)))


def _rewire_input(random: Random, graph: onnx.GraphProto) -> None:
    node = _node(random, graph)
    if node.input:
        node.input[random.randrange(len(node.input))] = random.choice(_names(graph))


def _count_of_inputs(random: Random, graph: onnx.GraphProto) -> None:
    node = _node(random, graph)
    if node.input and random.random() < 0.5:
        del node.input[random.randrange(len(node.input)) :]
    else:
        node.input.extend(random.choice(_names(graph)) for _ in range(random.choice((1, 2, 30))))


def _rename_output(random: Random, graph: onnx.GraphProto) -> None:
    node = _node(random, graph)
    if node.output:
        node.output[random.randrange(len(node.output))] = random.choice((*_names(graph), odd.name(random)))


def _rename_everywhere(random: Random, graph: onnx.GraphProto) -> None:
    """An odd name that is used as it should be: the graph stays valid."""
    old, new = random.choice(_names(graph)), odd.name(random)
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for held in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        held.name = new if held.name == old else held.name


def _node_names(random: Random, graph: onnx.GraphProto) -> None:
    name = random.choice(("", "same", odd.name(random)))
    for node in graph.node:
        if random.random() < 0.7:
            node.name = name


def _order(random: Random, graph: onnx.GraphProto) -> None:
    nodes = list(graph.node)
    random.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes)


def _remove_node(random: Random, graph: onnx.GraphProto) -> None:
    if graph.node:
        del graph.node[random.randrange(len(graph.node))]


def _copy_node(random: Random, graph: onnx.GraphProto) -> None:
    graph.node.append(_node(random, graph))
    if random.random() < 0.7:  # a valid copy, which nothing reads or which is an output
        graph.node[-1].output[:] = [f"{name}_again" for name in graph.node[-1].output]


def _sizes(random: Random, graph: onnx.GraphProto) -> None:
    value = random.choice([*graph.input, *graph.output, *graph.value_info] or [graph.input.add()])
    sizes = value.type.tensor_type.shape.dim
    action = random.randrange(4)
    if action == 0 or not sizes:
        sizes.add().dim_value = odd.integer(random)
    elif action == 1:
        del sizes[random.randrange(len(sizes))]
    elif action == 2:
        random.choice(sizes).dim_value = random.choice((odd.integer(random), random.randint(1, 9)))
    else:
        random.choice(sizes).dim_param = odd.name(random)


def _element(random: Random, graph: onnx.GraphProto) -> None:
    value = random.choice([*graph.input, *graph.output, *graph.value_info] or [graph.input.add()])
    value.type.tensor_type.elem_type = random.choice((*range(30), 99))


def _kind_of_value(random: Random, graph: onnx.GraphProto) -> None:
    value = random.choice([*graph.input, *graph.output] or [graph.input.add()])
    kind = onnx.TypeProto()
    kind.CopyFrom(value.type)
    if random.random() < 0.5:
        value.type.sequence_type.elem_type.CopyFrom(kind)
    else:
        value.type.optional_type.elem_type.CopyFrom(kind)


def _interface(random: Random, graph: onnx.GraphProto) -> None:
    held = random.choice((graph.input, graph.output))
    action = random.randrange(4)
    if action == 0 and held:
        held.append(random.choice(held))
    elif action == 1:
        del held[:]
    elif action == 2:
        held.append(helper.make_tensor_value_info(random.choice(_names(graph)), 1, random.choice(([], [2, 3], None))))
    elif held:
        del held[random.randrange(len(held))]


def _drop_initializer(random: Random, graph: onnx.GraphProto) -> None:
    if graph.initializer:
        held = random.randrange(len(graph.initializer))
        if random.random() < 0.5:
            graph.initializer.append(graph.initializer[held])
        else:
            del graph.initializer[held]


GRAPH_DAMAGES: tuple[Damage, ...] = (
    *(_drop_attribute, _change_attribute, _change_attribute, _change_attribute, _add_attribute, _change_type, _change_type, _change_domain),
    *(_rewire_input, _rewire_input, _count_of_inputs, _rename_output, _rename_everywhere, _rename_everywhere, _node_names, _order),
    *(_remove_node, _copy_node, _sizes, _sizes, _element, _kind_of_value, _interface, _interface, _drop_initializer),
)
