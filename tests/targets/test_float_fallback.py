"""nnapi and tensorrt, which edgeq cannot run: their models keep every fact, and the check finds
what breaks one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgeq.api import compare, quantize
from edgeq.data.shipped import shipped_model
from edgeq.graph.read import constant, is_op
from edgeq.integers.legality.check import check_model
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target
from edgeq.testing import check_quantized
from tests.zoo import zoo_model

TARGETS = ("nnapi", "tensorrt")


def digits(target: str) -> ir.Model:
    return quantize(shipped_model("digits"), "digits", target=target, recipe=Recipe(effort="fast"), prove=False).model


def scales_of(layer: ir.Node) -> int:
    """How many scales the weight of a layer has."""
    dequantize = layer.inputs[1].producer() if layer.inputs[1] is not None else None
    assert is_op(dequantize, "DequantizeLinear") and dequantize is not None
    scale = constant(dequantize.inputs[1])
    assert scale is not None
    return int(np.size(scale))


@pytest.mark.parametrize("target", TARGETS)
def test_the_shipped_network_is_legal_and_as_accurate(target: str, tmp_path: Path) -> None:
    model = check_quantized(load_target(target), shipped_model("digits"), "digits", recipe=Recipe(effort="fast")).model
    assert check_model(model, load_target(target)) == ()  # about float operators neither
    ir.save(model, tmp_path / "int8.onnx")
    accuracy = compare(shipped_model("digits"), tmp_path / "int8.onnx", "digits").accuracy
    assert accuracy is not None
    assert accuracy.int8 >= accuracy.float - 0.01


@pytest.mark.parametrize("target", TARGETS)
def test_a_residual_network_is_legal(target: str) -> None:
    path = zoo_model("resnet8_cifar10")
    (image,) = ir.load(path).graph.inputs
    assert image.shape is not None
    sides = [side for side in image.shape.dims[1:] if isinstance(side, int)]
    data = {str(image.name): np.random.default_rng(0).normal(size=(8, *sides)).astype(np.float32)}
    made = check_quantized(load_target(target), path, data, recipe=Recipe(effort="fast"))
    assert check_model(made.model, load_target(target)) == ()


def test_tensorrt_quantizes_inputs_of_layers_with_zero_point_0_and_leaves_biases_float() -> None:
    model = digits("tensorrt")
    for node in model.graph:
        if is_op(node, "QuantizeLinear", "DequantizeLinear"):
            zero = constant(node.inputs[2])
            assert zero is not None and zero.dtype == np.int8 and not np.any(zero), node.name
        if is_op(node, "Relu", "Add"):
            assert not is_op(node.inputs[0].producer() if node.inputs[0] else None, "DequantizeLinear"), node.name
    layers = [node for node in model.graph if is_op(node, "Conv", "Gemm")]
    assert min(scales_of(layer) for layer in layers) > 1
    biases = [constant(layer.inputs[2]) for layer in layers if len(layer.inputs) > 2]
    assert biases and all(bias is not None and bias.dtype == np.float32 for bias in biases)


def test_nnapi_has_scales_a_channel_for_convolutions_alone() -> None:
    layers = [node for node in digits("nnapi").graph if is_op(node, "Conv", "Gemm")]
    assert {node.op_type: scales_of(node) > 1 for node in layers} == {"Conv": True, "Gemm": False}


def test_each_finds_what_breaks_its_rules() -> None:
    found = {name: {one.rule for one in check_model(digits(other), load_target(name))} for name, other in (TARGETS, TARGETS[::-1])}
    assert {"activation_dtype", "bias_float", "output_quantized"} <= found["nnapi"]
    assert {"activation_dtype", "bias_dtype"} <= found["tensorrt"]
