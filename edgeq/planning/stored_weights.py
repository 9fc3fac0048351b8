"""Large constants of nodes that stay float, stored as int8: the file is smaller, the kernel the
same.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from functools import partial

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant, nodes, operator_of
from edgeq.numerics.arrays import F32
from edgeq.numerics.grid import dequantize, quantize
from edgeq.planning.placement import NodePlace
from edgeq.planning.remembered import remembered
from edgeq.planning.weight_grids import choose_scales, symmetric_grid, unlimited
from edgeq.schema.target import Target
from edgeq.schema.weights import IntegerWeight, integer_weight, weight_key

#: smaller weights do not justify the two nodes that compute them, of some 400 bytes
LEAST_WEIGHT = 1024
#: smaller tables and operands stay as they are: they matter more than their bytes
LEAST_TABLE = 4096
#: scales may take this share of the codes' bytes
LARGEST_SHARE = 1 / 8
#: dB of the constant itself; 8 bits reach 40 unless a few values are far larger than the rest. Less
#: would be heard beside int8 activations
LEAST_SQNR_DB = 30.0


def stored_weights(model: ir.Model, places: Mapping[str, NodePlace], quantized: Container[str], target: Target) -> dict[str, IntegerWeight]:
    """The grids of the constants to store, by weight_key.

    Weights (of an LSTM, a ConvTranspose), tables that are cut or looked up, large operands: float32
    constants of nodes that run in float, except where the recipe or a search asked for float. A
    constant whose plain form another node needs would be stored twice and is left alone.
    quantized: the weight_keys that have a grid already.
    """
    if target.integer_only:
        return {}
    places_of: dict[ir.Value, list[str]] = {}
    for node, index, value in _large_constants(model):
        if places[str(node.name)].runs == "float" and places[str(node.name)].because not in ("kept", "searched"):
            places_of.setdefault(value, []).append(weight_key(node.name, index))
    found: dict[str, IntegerWeight] = {}
    for value, keys in places_of.items():
        others = [key for use in value.uses() if (key := weight_key(use.node.name, use.idx)) not in keys]
        if value.is_graph_output() or any(key not in quantized for key in others):
            continue
        plan = remembered(value, ("stored", target.weights), partial(_grid, value, target))
        found.update(dict.fromkeys(keys, plan) if plan is not None else {})
    return found


def _large_constants(model: ir.Model) -> Iterator[tuple[ir.Node, int, ir.Value]]:
    inner = _before_layers(model)
    for node in nodes(model):
        operator = operator_of(node)
        wanted = {*operator.weights, *operator.data_of(len(node.inputs))}
        if operator.moves is None and not inner.issuperset(node.outputs):
            # anchors, strides: they decode the outputs, which have no other noise of that size
            wanted = set(operator.weights)
        for index, value in enumerate(node.inputs):
            if value is None or index not in wanted:
                continue
            weight = index in operator.weights and operator.moves is None  # what is looked up is a table
            array, least = constant(value), LEAST_WEIGHT if weight else LEAST_TABLE
            if array is None or array.dtype != np.float32 or array.ndim < 2 or array.size < least or not np.isfinite(array).all():
                continue
            yield node, index, value


def _before_layers(model: ir.Model) -> set[ir.Value]:
    """The values that a node with weights computes with, at once or through other nodes."""
    found: set[ir.Value] = set()
    for node in reversed(list(nodes(model))):
        if operator_of(node).weights or not found.isdisjoint(node.outputs):
            found.update(value for value in node.inputs if value is not None)
    return found


def _grid(value: ir.Value, target: Target) -> IntegerWeight | None:
    """The symmetric grid of least squared error along a constant's best axis; None: too coarse."""
    array: F32 = np.asarray(constant(value), np.float32)
    best: tuple[float, IntegerWeight] | None = None
    for axis in (None, *range(array.ndim)):
        channels = 1 if axis is None else array.shape[axis]
        if axis is not None and (channels == 1 or 4 * channels > LARGEST_SHARE * array.size):
            continue
        rows = np.ascontiguousarray(np.moveaxis(array, axis or 0, 0) if axis is not None else array).reshape(1, channels, -1)
        scale = choose_scales(rows, np.ones((1, rows.shape[2])), unlimited(target.weights), "mse", False, ())
        params = symmetric_grid(scale, axis, target.weights)
        error = float(np.sum((dequantize(quantize(array, params), params) - array) ** 2, dtype=np.float64))
        where = "one scale per tensor" if axis is None else f"one scale per index of axis {axis}"
        if best is None or error < best[0]:
            best = error, integer_weight(params, "mse", f"stored in 8 bits, computed in float: {where}")
    assert best is not None
    signal = float(np.sum(array**2, dtype=np.float64))
    return best[1] if signal >= best[0] * 10 ** (LEAST_SQNR_DB / 10) else None
