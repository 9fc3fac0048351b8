"""The grid of every value that holds codes.

A QuantizeLinear or DequantizeLinear at the value gives it, operators that move codes pass it on,
and metadata_props record it for inputs and outputs of the model.
"""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import attribute_int, constant, is_op, operator_of
from edgeq.numerics.grid import LIMITS, Granularity, PerChannel, PerTensor, QuantParams

#: prefix of keys in ONNX's metadata_props; the name of a graph input or output that holds codes
#: follows
GRID_KEY = "edgeq.grid."
#: types of codes of values; constants may have others
CODES = (ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT16, ir.DataType.UINT16)


def grid_of(node: ir.Node) -> QuantParams | None:
    """The grid of a QuantizeLinear or DequantizeLinear with constant parameters.

    None for any other grid (blocked, computed, float8).
    """
    scale = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    zero = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scale is None or (zero is None and len(node.inputs) > 2 and node.inputs[2] is not None):
        return None
    dtype = _dtype(node) if zero is None else str(zero.dtype)
    if dtype not in LIMITS or scale.ndim > 1:
        return None
    axis: Granularity = PerChannel(attribute_int(node, "axis", 1)) if scale.ndim == 1 and scale.size > 1 else PerTensor()
    shape = scale.shape if scale.size > 1 else ()
    codes = np.zeros(shape, np.int32) if zero is None else np.asarray(zero, np.int32).reshape(shape)
    return QuantParams(dtype, np.asarray(scale, np.float32).reshape(shape), codes, axis)


def _dtype(node: ir.Node) -> str:
    """The type of the codes where no zero point gives it.

    QuantizeLinear makes uint8; DequantizeLinear takes the type of its input.
    """
    if is_op(node, "QuantizeLinear"):
        return "uint8"
    source = node.inputs[0]
    array = constant(source)
    if array is not None:
        return str(array.dtype)
    return "unknown" if source is None or source.dtype is None else str(source.dtype.numpy())


def known_grids(model: ir.Model) -> dict[ir.Value, QuantParams]:
    """Value -> grid, for every value of the main graph that holds codes and is not constant."""
    found: dict[ir.Value, QuantParams] = {}
    for value in (*model.graph.inputs, *model.graph.outputs):
        recorded = recorded_grid(model, str(value.name))
        if recorded is not None:
            found[value] = recorded
    for node in model.graph:
        if is_op(node, "QuantizeLinear"):
            grid, value = grid_of(node), node.outputs[0]
        elif is_op(node, "DequantizeLinear"):
            grid, value = grid_of(node), node.inputs[0]  # type: ignore[assignment]  # None only in invalid models
        else:
            continue
        if grid is not None and value is not None and constant(value) is None:
            found.setdefault(value, grid)
    _pass_on(model, found)
    _pass_back(model, found)
    return found


def _pass_on(model: ir.Model, found: dict[ir.Value, QuantParams]) -> None:
    """Give every operator that moves codes the same grid on both sides."""
    for node in model.graph:
        first = node.inputs[0] if node.inputs else None
        if first is None or first not in found or is_op(node, "DequantizeLinear", "QuantizeLinear", "Cast"):
            continue
        for value in node.outputs:
            if value.name and value.dtype in (*CODES, None):
                found.setdefault(value, found[first])


def _pass_back(model: ir.Model, found: dict[ir.Value, QuantParams]) -> None:
    """Give codes that no operator before tells the grid of what they are moved to.

    These are the results of tables, of which only a DequantizeLinear behind tells the grid.
    """
    for node in reversed(model.graph):
        operator, grid = operator_of(node), found.get(node.outputs[0]) if node.outputs else None
        if grid is None or operator.moves not in ("views", "reorders", "pads", "copies"):
            continue
        for index in operator.data_of(len(node.inputs)):
            value = node.inputs[index]
            if value is not None and constant(value) is None and value.dtype in CODES:
                found.setdefault(value, grid)


def recorded_grid(model: ir.Model, name: str) -> QuantParams | None:
    """The grid that metadata_props record for an input or output, else None."""
    try:
        raw = json.loads(model.metadata_props.get(GRID_KEY + name, ""))
        scale, zero = np.asarray(float(raw["scale"]), np.float32), np.asarray(int(raw["zero_point"]), np.int32)
        return QuantParams(str(raw["dtype"]), scale, zero) if raw["dtype"] in LIMITS else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def grid_record(grid: QuantParams) -> str:
    """The record of a grid for metadata_props, as canonical JSON."""
    return json.dumps({"dtype": grid.dtype, "scale": float(grid.scale), "zero_point": int(grid.zero_point)}, sort_keys=True)
