"""The facts of targets/cpu_arm.toml: what can be proven of them on any machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest

from edgeq.schema.target import load_target
from edgeq.testing.case import Case
from edgeq.testing.operator_nets import data_for, one_of_each
from tests.graph_text import eager
from tests.target_cases import float_result, quantized, run, sqnr

ARM = eager("cpu_arm")


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
    assert sqnr(float_result(case), simulated) > 25
    with tempfile.TemporaryDirectory() as folder:
        found = np.stack(run_as_on_arm(model.SerializeToString(), case, Path(folder) / "optimized.onnx"))
        ran = onnx.load(Path(folder) / "optimized.onnx").graph
    assert sqnr(simulated, found) > 25
    ends = {value.name for value in ran.output}
    inner = [node.name for node in ran.node if node.op_type == "DequantizeLinear" and not ends & _after(ran, node)]
    assert inner == []


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
