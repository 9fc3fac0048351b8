"""Damage to a model by its structure: each is what a broken exporter or an attacker could write."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import onnx

from tests.fuzz import odd
from tests.fuzz.damage.graph import GRAPH_DAMAGES, every_graph
from tests.fuzz.damage.tensor import TENSOR_DAMAGES

Damage = Callable[[Random, onnx.ModelProto], None]


def _opset(random: Random, model: onnx.ModelProto) -> None:
    random.choice(model.opset_import).version = random.choice((*range(1, 29), 0, -1, 99, 2**62))


def _imports(random: Random, model: onnx.ModelProto) -> None:
    domain = random.choice(("", "ai.onnx", "com.microsoft", "ai.onnx.ml", "own", odd.name(random)))
    model.opset_import.append(onnx.helper.make_opsetid(domain, random.choice((1, 7, 13, 17, 21))))


def _no_imports(_: Random, model: onnx.ModelProto) -> None:
    del model.opset_import[:]


def _ir_version(random: Random, model: onnx.ModelProto) -> None:
    model.ir_version = random.choice((0, 1, 2, 3, 4, 5, 13, 14, 99, 2**62))


def _metadata(random: Random, model: onnx.ModelProto) -> None:
    for _ in range(2):
        model.metadata_props.append(
            onnx.StringStringEntryProto(key=random.choice(("edgeq", "author", odd.name(random))), value=random.choice(odd.TEXTS))
        )


def _words(random: Random, model: onnx.ModelProto) -> None:
    model.doc_string = random.choice(odd.TEXTS)
    model.producer_name, model.graph.name = odd.name(random), odd.name(random)


def _function(random: Random, model: onnx.ModelProto) -> None:
    """A function that calls itself, is defined twice, or lacks what it calls."""
    function = onnx.helper.make_function(
        "own",
        random.choice(("Fn0", "Relu")),
        ["a"],
        ["b"],
        [onnx.helper.make_node(random.choice(("Fn0", "Fn9")), ["a"], ["b"], domain="own")],
        [onnx.helper.make_opsetid("own", 1)],
    )
    model.functions.append(function)
    if random.random() < 0.5:
        model.opset_import.append(onnx.helper.make_opsetid("own", 1))
        random.choice(model.graph.node or [onnx.NodeProto()]).domain = "own"


def _deep(random: Random, model: onnx.ModelProto) -> None:
    """Put the graph inside bodies inside bodies."""
    for _ in range(random.choice((2, 8, 17, 40))):
        inner = onnx.GraphProto()
        inner.CopyFrom(model.graph)
        del inner.input[:]
        node = onnx.helper.make_node(
            "If", [inner.initializer[0].name if inner.initializer else "c"], [value.name for value in inner.output]
        )
        node.attribute.append(onnx.helper.make_attribute("then_branch", inner))
        node.attribute.append(onnx.helper.make_attribute("else_branch", inner))
        if model.ByteSize() > 1 << 20:
            return
        del model.graph.node[:]
        model.graph.node.append(node)


_MODEL_DAMAGES: tuple[Damage, ...] = (_opset, _opset, _opset, _imports, _no_imports, _ir_version, _metadata, _words, _function, _deep)


def _in_some_graph(random: Random, model: onnx.ModelProto) -> None:
    graphs = list(every_graph(model.graph))
    graph = model.graph if random.random() < 0.7 else random.choice(graphs)
    random.choice(GRAPH_DAMAGES)(random, graph)


def mutate_model(random: Random, model: onnx.ModelProto) -> onnx.ModelProto:
    """A damaged copy."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        kind = random.random()
        if kind < 0.65:
            _in_some_graph(random, changed)
        elif kind < 0.85:
            tensors = [*changed.graph.initializer, *(a.t for node in changed.graph.node for a in node.attribute if a.HasField("t"))]
            if tensors:
                random.choice(TENSOR_DAMAGES)(random, random.choice(tensors))
        else:
            random.choice(_MODEL_DAMAGES)(random, changed)
    return changed
