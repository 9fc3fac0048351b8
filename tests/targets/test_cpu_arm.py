"""The facts of targets/cpu_arm.toml: what can be proven of them on any machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgeq.numerics.arrays import F64
from edgeq.schema.target import load_target
from edgeq.testing.case import Case
from edgeq.testing.operator_cases import ALL
from edgeq.testing.operator_nets import build, data_for, one_of_each, operator
from tests.graph_text import eager
from tests.target_cases import float_result, quantized, run, sqnr

ARM = eager("cpu_arm")
#: operators that tell where a number is, not what it is
SELECTIONS = ("ArgMax", "ArgMin")


def run_as_on_arm(model: bytes, case: Case, optimized: Path) -> list[np.ndarray]:
    """With the option that lets onnxruntime fuse signed activations off Arm too; the graph that ran
    is saved.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.optimized_model_filepath = str(optimized)
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = data_for(case)["x"]
    return [np.asarray(session.run(None, {"x": x[start : start + 2]})[0]) for start in range(0, len(x), 2)]


@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_signed_model(case: Case) -> None:
    """Valid; signed activations only; close to float when simulated; on integers alone where
    onnxruntime treats them as on Arm.
    """
    model = ir.to_proto(quantized(case, ARM).model)
    onnx.checker.check_model(model, full_check=True)
    zeros = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert {tensor.data_type for tensor in model.graph.initializer if tensor.name in zeros} == {onnx.TensorProto.INT8}
    simulated = run(model.SerializeToString(), case, "off")[0]
    wanted = behind_selection(case, model) if operator(case) in SELECTIONS else float_result(case)
    assert sqnr(wanted, simulated) > 25
    with tempfile.TemporaryDirectory() as folder:
        found = np.stack(run_as_on_arm(model.SerializeToString(), case, Path(folder) / "optimized.onnx"))
        ran = onnx.load(Path(folder) / "optimized.onnx").graph
    assert sqnr(simulated, found) > 25
    ends = {value.name for value in ran.output}
    inner = [node.name for node in ran.node if node.op_type == "DequantizeLinear" and not ends & _after(ran, node)]
    assert inner == []


@pytest.mark.parametrize("case", [case for case in ALL if operator(case) in SELECTIONS], ids=str)
def test_selections_differ_from_float_only_where_numbers_are_closer_than_two_steps(case: Case) -> None:
    """Each of the two numbers may be off by about a step: its rounding, and that of the layer
    before.
    """
    model = ir.to_proto(quantized(case, ARM).model)
    source, exact = build(case), onnx.ModelProto()
    node = next(node for node in source.graph.node if node.name == "op")
    exact.CopyFrom(source)
    for proto in (exact, model):
        del proto.graph.output[:]
        proto.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    exact.graph.output.append(onnx.ValueInfoProto(name=node.input[0]))
    wanted, numbers = run(exact.SerializeToString(), case, "off")
    found = run(model.SerializeToString(), case, "off")[0]
    axis = 1 + next(attribute.i for attribute in node.attribute if attribute.name == "axis")
    kept = wanted.ndim == numbers.ndim
    at = [index.astype(np.int64) if kept else np.expand_dims(index.astype(np.int64), axis) for index in (wanted, found)]
    best, chosen = (np.take_along_axis(numbers, index, axis) for index in at)
    step = float(next(onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == f"{node.input[0]}_scale"))
    assert np.abs(best - chosen).max() < 2 * step


def behind_selection(case: Case, model: onnx.ModelProto) -> F64:
    """What float arithmetic makes of the indices that the quantized model selects.

    Numbers closer than a step are equals on codes, and an index is right or wrong, never near.
    """
    selected = next(node.output[0] for node in build(case).graph.node if node.name == "op")
    proto, whole = onnx.ModelProto(), build(case)
    proto.CopyFrom(model)
    proto.graph.output.append(onnx.ValueInfoProto(name=selected))
    indices = run(proto.SerializeToString(), case, "off")[-1].astype(np.int64)
    rest = onnx.ModelProto()
    rest.CopyFrom(whole)
    del rest.graph.node[:]
    rest.graph.node.extend(node for node in whole.graph.node if node.name != "op")
    rest.graph.input.append(onnx.helper.make_tensor_value_info(selected, onnx.TensorProto.INT64, indices.shape[1:]))
    session = ort.InferenceSession(rest.SerializeToString(), providers=["CPUExecutionProvider"])
    x = data_for(case)["x"]
    parts = [session.run(["y"], {"x": x[2 * part : 2 * part + 2], selected: index})[0] for part, index in enumerate(indices)]
    return np.stack(parts).astype(np.float64)


def _after(graph: onnx.GraphProto, node: onnx.NodeProto) -> set[str]:
    """The values that a node makes, directly or through changes of layout."""
    values = set(node.output)
    for other in graph.node:
        if other.op_type == "Transpose" and other.input[0] in values:
            values.update(other.output)
    return values


def test_differs_from_cpu_only_where_the_processors_do() -> None:
    cpu, arm = load_target("cpu"), load_target("cpu_arm")
    assert (cpu.activations.dtype, arm.activations.dtype) == ("uint8", "int8")
    assert (cpu.weights.pair_limit, arm.weights.pair_limit) == (128, None)
    assert arm.weights.narrow  # NEON without dot products adds two products in int16
    assert [(kernel.op, kernel.channel_axis, kernel.output) for kernel in arm.kernel] == [
        (kernel.op, kernel.channel_axis, kernel.output) for kernel in cpu.kernel
    ]
    assert arm.movement.ops == cpu.movement.ops
