"""A case as it is, and between two layers that quantize."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.measures.feeds import Array, Feed
from benchmarks.onnx_cases.cases import Case
from benchmarks.onnx_cases.float_runs import open_model, run_model

#: alone: as onnx made it. between: a layer before each float input and behind each float output.
#: constants: likewise, and every input but the first float one is an initializer.
Form = Literal["alone", "between", "constants"]
FORMS: tuple[Form, ...] = get_args(Form)
#: opset of the layers where the case itself uses operators of another domain only
_OPSET = 17
#: share of a layer's output that comes from the same element of its input; the rest comes from
#: its neighbour, so that all values stay within the range of the input
_KEPT = 0.875
#: wider layers would take longer than the case
_WIDEST = 2048


def in_form(case: Case, form: Form) -> Case:
    """The case in another form. A case without inputs or outputs that a layer fits stays alike."""
    if form == "alone":
        return case
    model, feed = onnx.ModelProto(), dict(case.feed)
    model.CopyFrom(case.model)
    if not any(one.domain == "" for one in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", _OPSET))
    if form == "constants":
        feed = _freeze(model.graph, feed)
    _layers_before(model.graph, feed)
    _layers_behind(model.graph, case)
    return Case(case.name, model, feed)


def _freeze(graph: onnx.GraphProto, feed: Feed) -> Feed:
    """Turn inputs but the first float one into initializers; returns what is left to feed."""
    tensors = [value.name for value in graph.input if value.name in feed and value.type.HasField("tensor_type")]
    first = next((name for name in tensors if _fits(np.asarray(feed[name]))), None)
    if first is None:
        return feed
    frozen = [name for name in tensors if name != first]
    kept = [value for value in graph.input if value.name not in frozen]
    graph.initializer.extend(numpy_helper.from_array(np.asarray(feed[name]), name) for name in frozen)
    del graph.input[:]
    graph.input.extend(kept)
    return {name: array for name, array in feed.items() if name not in frozen}


def _layers_before(graph: onnx.GraphProto, feed: Feed) -> None:
    for value in graph.input:
        array = np.asarray(feed.get(value.name, np.zeros(())))
        if not value.type.HasField("tensor_type") or not _fits(array):
            continue
        inner = f"{value.name}_layer"
        for node in graph.node:
            _rename(node, value.name, inner)
        graph.node.insert(0, _layer(graph, array, value.name, inner))
        for output in graph.output:
            if output.name == value.name:  # an output that is an input
                graph.node.insert(0, helper.make_node("Identity", [inner], [inner + "_out"], name=f"pass_{inner}"))


def _layers_behind(graph: onnx.GraphProto, case: Case) -> None:
    outputs = _outputs(case)
    for value in graph.output:
        array = outputs.get(value.name)
        if array is None or not _fits(array) or value.name in case.feed:
            continue
        inner = f"{value.name}_before_layer"
        for node in graph.node:
            for index, name in enumerate(node.output):
                if name == value.name:
                    node.output[index] = inner
            _rename(node, value.name, inner)
        graph.node.append(_layer(graph, array, inner, value.name))


def _outputs(case: Case) -> dict[str, Array]:
    """The float outputs; empty: onnxruntime does not run the case."""
    try:
        found = run_model(open_model(case.model), case.feed)
    except Exception:  # onnxruntime's exceptions have no common base
        return {}
    return {
        value.name: array
        for value, array in zip(case.model.graph.output, found, strict=True)
        if array is not None and value.type.HasField("tensor_type")
    }


def _fits(array: Array) -> bool:
    """Whether a layer can stand before or behind the array: its products are numbers."""
    named = array.dtype in (np.float32, np.float64, np.float16)
    return bool(named and array.ndim >= 1 and array.size and _width(array) <= _WIDEST and np.isfinite(array).all())


def _width(array: Array) -> int:
    return int(array.shape[1] if array.ndim in (3, 4) else array.shape[-1])


def _layer(graph: onnx.GraphProto, array: Array, source: str, result: str) -> onnx.NodeProto:
    """A 1x1 Conv for [N, C, L] and [N, C, H, W], else a MatMul along the last axis."""
    width, weight = _width(array), f"{result}_weight"
    matrix = _KEPT * np.eye(width) + (1 - _KEPT) * np.roll(np.eye(width), 1, 0)
    if array.ndim not in (3, 4):
        graph.initializer.append(numpy_helper.from_array(matrix.astype(array.dtype), weight))
        return helper.make_node("MatMul", [source, weight], [result], name=f"layer_{result}")
    graph.initializer.append(numpy_helper.from_array(matrix.reshape(width, width, *[1] * (array.ndim - 2)).astype(array.dtype), weight))
    return helper.make_node("Conv", [source, weight], [result], name=f"layer_{result}")


def _rename(node: onnx.NodeProto, old: str, new: str) -> None:
    """Let a node, and the bodies inside it, read another value."""
    for index, name in enumerate(node.input):
        if name == old:
            node.input[index] = new
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():
            for inner in body.node:
                _rename(inner, old, new)
