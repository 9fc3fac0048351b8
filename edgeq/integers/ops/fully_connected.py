"""Gemm and MatMul on codes: FULLY_CONNECTED of TFLite, for products of two values BATCH_MATMUL."""

from __future__ import annotations

import math

import numpy as np

from edgeq.graph.read import attribute_float, attribute_int
from edgeq.integers.bounds import clamp_codes
from edgeq.integers.graph import IntegerOp
from edgeq.integers.interpreter.layer import finish_layer
from edgeq.integers.interpreter.machine import Machine, centred, out_scale
from edgeq.integers.operands import codes, grid_in, grid_out, refused, shape_of
from edgeq.integers.ops.clamp import emit_cut
from edgeq.integers.signed import signed_codes
from edgeq.integers.tflite.emitter import Emitter
from edgeq.integers.tflite.fused import fused
from edgeq.integers.tflite.padding import VALID
from edgeq.integers.weights import bias_codes, weight_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import QuantParams


def emit_gemm(emitter: Emitter, step: IntegerOp) -> None:
    """Emit the operator; the weight's columns follow the order of the input's elements.

    A flattened image may be left in TFLite's order (channels last); then the columns are permuted.
    """
    source, (rows, grid) = codes(step, 0), _gemm_rows(step)
    _fits(step, rows.shape[1], shape_of(source, step)[-1])
    image = emitter.flattened.get(source.name)
    if image is not None:
        rows = rows.reshape(len(rows), *image).transpose(0, 2, 3, 1).reshape(len(rows), -1)
    _fully_connected(emitter, step, emitter.tensor(source, step), emitter.output(step), rows, grid)


def _fits(step: IntegerOp, columns: int, elements: int) -> None:
    """Refuse a model whose sizes contradict each other: no runtime runs it, but one writes it."""
    if columns != elements:
        fix = "Correct the sizes of the model: no runtime runs it."
        raise refused(step, f"its weight takes {columns} elements where its input has {elements}", fix)


def run_gemm(machine: Machine, step: IntegerOp) -> None:
    rows, grid = _gemm_rows(step)
    _products(machine, step, rows.T, grid)


def _gemm_rows(step: IntegerOp) -> tuple[AnyArray, QuantParams]:
    """The weight as [outputs, inputs], and its grid. Refuses alpha, beta and transA."""
    node, (weight, grid) = step.node, weight_of(step)
    if attribute_float(node, "alpha", 1.0) != 1.0 or attribute_float(node, "beta", 1.0) != 1.0 or attribute_int(node, "transA", 0):
        raise refused(step, "it has alpha, beta or transA")
    return weight if attribute_int(node, "transB", 0) else weight.T, grid


def emit_matmul(emitter: Emitter, step: IntegerOp) -> None:
    if _is_batch(step):
        _emit_batch(emitter, step)
        return
    source, (weight, grid) = codes(step, 0), weight_of(step)
    _fits(step, weight.shape[0], shape_of(source, step)[-1])
    tensor = emitter.plain(source, step)
    target, final = emitter.plain_output(step)
    _fully_connected(emitter, step, tensor, target, weight.T, grid)
    if target != final:
        emitter.transposed(target, (0, 2, 3, 1), final)


def run_matmul(machine: Machine, step: IntegerOp) -> None:
    if not _is_batch(step):
        _products(machine, step, *weight_of(step))
        return
    (a, first), (b, second) = centred(machine, step, 0), centred(machine, step, 1)
    sums = np.matmul(a.astype(np.float64), b.astype(np.float64))
    machine.finish(step, machine.products(step, sums, first * second / out_scale(step)))


def _is_batch(step: IntegerOp) -> bool:
    """Whether no operand is a constant matrix on the right, the weight of a FULLY_CONNECTED.

    Raises UnsupportedOp for vectors, and for products of two values without a batch.
    """
    first, second = (shape_of(codes(step, number), step) for number in (0, 1))
    if step.inputs[1] is not None and step.inputs[1].data is not None and len(second) == 2:
        return False
    if min(len(first), len(second)) < 2:
        raise refused(step, "an operand is a vector")
    if any(grid_in(step, number).scale.ndim for number in (0, 1)):
        raise refused(step, "an operand that is no matrix of weights has several scales")
    return True


def _emit_batch(emitter: Emitter, step: IntegerOp) -> None:
    inputs = []
    for number in (0, 1):
        operand = codes(step, number)
        if operand.data is not None:
            inputs.append(emitter.weight(operand.name, signed_codes(operand.data), grid_in(step, number), 0))
        else:
            inputs.append(emitter.plain(operand, step))
    target, final = emitter.plain_output(step)
    clamped = fused(step) != 0
    made = emitter.scratch(f"{step.name}_unclamped", shape_of(step.outputs[0], step), grid_out(step)) if clamped else target
    emitter.op("BATCH_MATMUL", inputs, [made], "BatchMatMulOptions", {"AdjX": False, "AdjY": False}, 4)
    if clamped:
        emit_cut(emitter, step, made, clamp_codes(step, grid_out(step)), target)
    if target != final:
        emitter.transposed(target, (0, 2, 3, 1), final)


def _fully_connected(emitter: Emitter, step: IntegerOp, tensor: int, target: int, rows: AnyArray, grid: QuantParams) -> None:
    bias = emitter.weight(f"{step.name}_bias", *bias_codes(step, len(rows), grid), 0)
    if grid.scale.ndim and emitter.packable(step, rows):
        _as_conv(emitter, step, tensor, target, emitter.layer_weight(step, rows[:, None, None], grid, 0), bias)
        return
    stored_weight = emitter.layer_weight(step, rows, grid, 0)
    options = {"FusedActivationFunction": fused(step), "KeepNumDims": len(emitter.tensors[tensor].shape) != 2}
    version = emitter.layer_version(stored_weight, 12 if grid.scale.ndim else 4, 10)
    emitter.op("FULLY_CONNECTED", [tensor, stored_weight, bias], [target], "FullyConnectedOptions", options, version)


def _as_conv(emitter: Emitter, step: IntegerOp, tensor: int, target: int, weight: int, bias: int) -> None:
    """Emit a CONV_2D over the rows, as an image of one row.

    TFLite Micro's FULLY_CONNECTED takes INT4 weights of one scale alone.
    """
    wide, made = (emitter.tensors[place].shape for place in (tensor, target))
    lines = math.prod(wide[:-1])
    first, second = codes(step, 0).grid, step.outputs[0].grid
    image = emitter.scratch(f"{step.name}_lines", (1, 1, lines, wide[-1]), first)
    convolved = emitter.scratch(f"{step.name}_convolved", (1, 1, lines, made[-1]), second)
    emitter.reshaped(tensor, image)
    options = {"Padding": VALID, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    emitter.op("CONV_2D", [image, weight, bias], [convolved], "Conv2DOptions", {**options, "FusedActivationFunction": fused(step)}, 7)
    emitter.reshaped(convolved, target)


def _products(machine: Machine, step: IntegerOp, weight: AnyArray, grid: QuantParams) -> None:
    x, _ = centred(machine, step, 0)
    finish_layer(machine, step, x.astype(np.float64) @ weight.astype(np.float64), grid, -1)
