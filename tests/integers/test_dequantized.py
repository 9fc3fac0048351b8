"""Constants that onnxruntime refuses or dequantizes at every inference are named, no others."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from edgeq.errors import RuntimeRefused
from edgeq.integers.legality.check import check_model
from edgeq.integers.legality.dequantized import dequantize_rules
from edgeq.runtimes.ort import open_session
from edgeq.schema.target import load_target
from tests.graph_text import net, weights

CPU = load_target("cpu")


def _typed(kind: int, scale: int, opset: int) -> ir.Model:
    """A MatMul with a constant of 32 x 8 numbers of this type, whose scales are of that type."""
    codes = helper.make_tensor("w", kind, [32, 8], np.ones(256), raw=False)
    scales = helper.make_tensor("s", scale, [1, 8], np.ones(8), raw=False)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"], name="dq", axis=0, block_size=32, output_dtype=1),
        helper.make_node("MatMul", ["x", "d"], ["y"], name="fc"),
    ]
    ins, outs = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, size]) for name, size in (("x", 32), ("y", 8)))
    graph = helper.make_graph(nodes, "g", [ins], [outs], [codes, scales])
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=12))


@pytest.mark.parametrize(
    ("kind", "scale", "opset"),
    [
        (TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0, 24),
        (TensorProto.INT8, TensorProto.FLOAT8E8M0, 24),
        (TensorProto.FLOAT4E2M1, TensorProto.FLOAT, 23),
    ],
)
def test_types_without_a_kernel_break_a_fact_and_are_refused_by_the_runtime(kind: int, scale: int, opset: int) -> None:
    model = _typed(kind, scale, opset)
    (found, *_) = dequantize_rules(model, CPU)
    assert (found.node, found.rule, found.breaks) == ("dq", "dequantize_type", "fact")
    assert found in check_model(model, CPU)
    with pytest.raises(RuntimeRefused), open_session(model):
        pass


def test_eight_bit_floats_with_float_scales_are_warned_of() -> None:
    (found,) = dequantize_rules(_typed(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT, 23), CPU)
    assert (found.rule, found.breaks) == ("never_folded", "warning")


def _blocked(activations: str) -> ir.Model:
    constants = {"w": np.ones((64, 8), np.int8), "ws": weights(2, 8) ** 2 + np.float32(0.1), "s": np.float32(0.1), "z": np.uint8(3)}
    body = f"d = DequantizeLinear<axis = 0, block_size = 32>(w, ws)  {activations}  y = MatMul(a, d)"
    return net(body, inputs="float[4, 64] x", outputs="float y", constants=constants, opset=21)


def test_blocks_beside_quantized_activations_are_warned_of() -> None:
    (found,) = dequantize_rules(_blocked("q = QuantizeLinear(x, s, z)  a = DequantizeLinear(q, s, z)"), CPU)
    assert (found.rule, found.breaks) == ("never_folded", "warning")
    assert not list(dequantize_rules(_blocked("a = Relu(x)"), CPU))  # a kernel of its own takes both


def test_int8_weights_and_other_runtimes_are_left_alone() -> None:
    constants = {"w": np.ones((64, 8), np.int8), "ws": np.ones(8, np.float32), "wz": np.zeros(8, np.int8)}
    plain = net(
        "d = DequantizeLinear<axis = 1>(w, ws, wz)  y = MatMul(x, d)", inputs="float[4, 64] x", outputs="float y", constants=constants
    )
    assert not list(dequantize_rules(plain, CPU))
    assert not list(dequantize_rules(_typed(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0, 24), load_target("mcu_tflite")))
    assert onnx.defs.onnx_opset_version() >= 24
