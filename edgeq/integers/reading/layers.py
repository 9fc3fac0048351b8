"""Read the operators of .tflite files that have weights or windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.integers.graph import Operand
from edgeq.integers.reading.builder import Attributes, Builder
from edgeq.integers.tflite.padding import SAME
from edgeq.integers.windows import same_total
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.grid import PerChannel, QuantParams


def conv(builder: Builder) -> None:
    """CONV_2D: weights [outputs, height, width, inputs of a group]."""
    weight = _weight(builder, 1, 4)
    groups = (builder.input(0).shape or (0, 0, 0, 0))[3] // max(weight.shape[3], 1)
    _convolution(builder, weight.transpose(0, 3, 1, 2), groups)


def depthwise(builder: Builder) -> None:
    """DEPTHWISE_CONV_2D: weights [1, height, width, outputs]."""
    weight = _weight(builder, 1, 4)
    _convolution(builder, weight[0].transpose(2, 0, 1)[:, None], (builder.input(0).shape or (0, 0, 0, 0))[3])


def _convolution(builder: Builder, weight: AnyArray, groups: int) -> None:
    if groups < 1 or len(weight) % groups or (builder.input(0).shape or ())[3:] != (groups * weight.shape[1],):
        raise builder.refused("its weight does not fit its input")
    attributes: Attributes = {
        "group": groups,
        "kernel_shape": weight.shape[2:],
        "strides": (builder.option("StrideH", 1), builder.option("StrideW", 1)),
        "dilations": (builder.option("DilationHFactor", 1), builder.option("DilationWFactor", 1)),
        "auto_pad": "SAME_UPPER" if builder.option("Padding") == SAME else "VALID",
    }
    grid = _along(builder.input(1), 0)
    operands = [builder.constant(builder.input(1).name, np.ascontiguousarray(weight), grid), _bias(builder, 2, grid)]
    builder.image("Conv", builder.input(0), operands, attributes)


def conv_transpose(builder: Builder) -> None:
    """TRANSPOSE_CONV: the size of the output, weights [outputs, height, width, inputs], image."""
    weight, source = _weight(builder, 1, 4).transpose(3, 0, 1, 2), builder.input(2)
    sizes, wanted = (source.shape or ())[1:3], (builder.outputs[0].shape or ())[1:3]
    if len(sizes) != 2 or len(wanted) != 2:
        raise builder.refused("it does not work on images")
    strides = (builder.option("StrideH", 1), builder.option("StrideW", 1))
    kernel = weight.shape[2:]
    whole = [(size - 1) * by + reach for size, by, reach in zip(sizes, strides, kernel, strict=True)]
    same = builder.option("Padding") == SAME
    begins = [same_total(out, reach, by) // 2 if same else 0 for out, reach, by in zip(wanted, kernel, strides, strict=True)]
    further = [max(begin + out - full, 0) for begin, out, full in zip(begins, wanted, whole, strict=True)]
    attributes: Attributes = {"strides": strides, "pads": (*begins, 0, 0), "output_padding": further}
    grid = _along(builder.input(1), 1)
    operands = [builder.constant(builder.input(1).name, np.ascontiguousarray(weight), grid), _bias(builder, 3, grid, source)]
    builder.image("ConvTranspose", source, operands, attributes)


def fully_connected(builder: Builder) -> None:
    """FULLY_CONNECTED: weights [outputs, inputs]; without KeepNumDims, rows of the input."""
    weight, source = _weight(builder, 1, 2), builder.input(0)
    shape = source.shape or ()
    if not builder.option("KeepNumDims") and (len(shape) > 2 or shape[-1:] != weight.shape[1:]):
        rows = builder.scratch(source, (int(np.prod(shape)) // max(weight.shape[1], 1), weight.shape[1]))
        builder.add("Reshape", [source], [rows])
        source = rows
    grid = _along(builder.input(1), 1)
    operands = [builder.constant(builder.input(1).name, np.ascontiguousarray(weight.T), grid), _bias(builder, 2, grid)]
    builder.add("MatMul", [source, *operands], builder.outputs, {}, builder.clamp())


def batch_matmul(builder: Builder) -> None:
    """BATCH_MATMUL, either operand transposed where it says so."""
    operands = []
    for number, flag in ((0, "AdjX"), (1, "AdjY")):
        operand = builder.input(number)
        if builder.option(flag):
            rank = len(operand.shape or ())
            permutation = (*range(rank - 2), rank - 1, rank - 2)
            shape = tuple((operand.shape or ())[axis] for axis in permutation)
            if operand.data is not None:
                operand = replace(operand, shape=shape, data=np.ascontiguousarray(operand.data.transpose(permutation)))
            else:
                turned = builder.scratch(operand, shape)
                builder.add("Transpose", [operand], [turned], {"perm": permutation})
                operand = turned
        operands.append(operand)
    builder.add("MatMul", operands, builder.outputs)


def pool(builder: Builder, op_type: str) -> None:
    """MAX_POOL_2D and AVERAGE_POOL_2D; what is padded is not counted."""
    attributes: Attributes = {
        "kernel_shape": (builder.option("FilterHeight", 1), builder.option("FilterWidth", 1)),
        "strides": (builder.option("StrideH", 1), builder.option("StrideW", 1)),
        "auto_pad": "SAME_UPPER" if builder.option("Padding") == SAME else "VALID",
    }
    builder.image(op_type, builder.input(0), [], attributes)


def _weight(builder: Builder, number: int, rank: int) -> AnyArray:
    found = builder.input(number)
    if found.data is None or found.grid is None or found.data.ndim != rank:
        raise builder.refused("its weight is not a constant of codes")
    return found.data


def _along(weight: Operand, axis: int) -> QuantParams:
    """The grid of a weight whose outputs lie along `axis` now."""
    grid = weight.grid
    assert grid is not None  # _weight has looked
    return replace(grid, granularity=PerChannel(axis)) if grid.scale.ndim else grid


def _bias(builder: Builder, number: int, weight: QuantParams, source: Operand | None = None) -> Operand | None:
    """The bias; its scale is that of the products, whatever the file says of it."""
    found = builder.inputs[number] if number < len(builder.inputs) else None
    grid = (source or builder.input(0)).grid
    if found is None or grid is None:
        return None
    wanted = "int64" if grid.dtype == "int16" else "int32"
    if found.data is None or str(found.data.dtype) != wanted:
        raise builder.refused(f"its bias is not a constant of {wanted}")
    scale = np.asarray(np.float32(grid.scale) * weight.scale, np.float32)
    return builder.constant(found.name, found.data, QuantParams(wanted, scale, np.zeros(scale.shape, np.int32), weight.granularity))
