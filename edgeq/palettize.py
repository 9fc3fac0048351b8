"""Codebooks for a float model as it is: weights become indices into tables of floats; everything else stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.bit_allocation import allocate, distortions
from edgeq.codebook import BITS, encode, turned
from edgeq.codebook_fit import fit_reals
from edgeq.codebook_layers import CodebookLayer, describe
from edgeq.codebook_turns import Weights
from edgeq.data_stream import Dataset
from edgeq.decide_codebooks import SPARSE, Candidate, wished_bits
from edgeq.errors import BadRecipe
from edgeq.graph import attribute_int, constant, is_op, nodes
from edgeq.load import Loaded
from edgeq.moments import Moment, measure_moments
from edgeq.observe import observe
from edgeq.passes.convert_opset import ConvertOpset
from edgeq.passes.fold_codebooks import FoldCodebooks, Storage, stored_constant
from edgeq.passes.infer_shapes import InferShapes
from edgeq.plan_codebooks import PROBE_BITS, choices_of, probe
from edgeq.progress import Progress
from edgeq.pruning import kept_weights
from edgeq.quant import grid_for_range
from edgeq.recipe import CodebookWish
from edgeq.rounding import Codes
from edgeq.sensitivity import output_damage
from edgeq.vector_fit import vector_reals
from edgeq.windows import from_rows, layer_of, weight_rows

F32 = NDArray[np.float32]

#: operator -> its weight inputs, and the axis of their output channels
_WEIGHTS: dict[str, tuple[tuple[int, ...], int]] = {
    "Conv": ((1,), 0),
    "ConvTranspose": ((1,), 1),
    "Gemm": ((1,), 1),
    "MatMul": ((0, 1), -1),
    "Gather": ((0,), -1),
    "LSTM": ((1, 2), 1),
    "GRU": ((1, 2), 1),
    "RNN": ((1, 2), 1),
}
#: the lowest opset that the stored forms were tested at
MIN_OPSET = 13


@dataclass(frozen=True, eq=False)
class Palettized:
    """The model with codebooks, what they did to each weight, and the float weights and their new values by node, for pictures.

    left: node, and why its weight stays as it is.
    """

    model: ir.Model
    layers: tuple[CodebookLayer, ...]
    weights: Mapping[str, tuple[F32, F32]]
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Weight:
    node: ir.Node
    index: int
    axis: int
    value: ir.Value

    @property
    def key(self) -> str:
        return f"{self.node.name}:{self.index}"

    def array(self) -> F32:
        return np.asarray(constant(self.value), np.float32)


def palettize(
    loaded: Loaded, wish: CodebookWish, data: Dataset | None, progress: Progress, *, seed: int = 0, uint2: bool = False
) -> Palettized:
    """A copy of a float model whose weights are codebooks of floats. data: weights that matter more to the outputs come closer."""
    model = loaded.model.clone()
    if model.opset_imports.get("", 0) < MIN_OPSET:
        ConvertOpset(MIN_OPSET, MIN_OPSET)(model)
    InferShapes()(model)
    found = list(_weights(model))
    if wish.size_budget is not None and not found:
        raise BadRecipe("The model has no weights that could be stored as codebooks.", str(loaded.path), "Leave it as it is.")
    bits = _bits(model, found, wish, loaded.size, data, progress)
    moments = {} if data is None else _moments(model, [one for one in found if one.key in bits], data, seed, progress)
    progress.start("fit codebooks", len(bits))
    layers, pictures, storage, left = [], {}, {}, []
    for one in found:
        if one.key not in bits:
            left.append((str(one.node.name), "a table would cost more than it saves, or no bits are wished for it"))
            continue
        weight = one.array()
        with threadpool_limits(1, user_api="blas"):  # sums in one order, whatever the number of threads
            new = _fit(one, weight, wish, bits[one.key], moments.get(str(one.node.name)))
        book = encode(new, wish.grain, one.axis, bits[one.key])
        progress.advance()
        if book is None:
            left.append((str(one.node.name), "its size is no multiple of the vectors"))
            continue
        layers.append(describe(str(one.node.name), weight, new, book, np.empty(0, np.float32)))
        pictures[str(one.node.name)] = (weight, new)
        storage[one.key] = Storage(wish.grain, one.axis, bits[one.key])
        one.value.const_value = ir.tensor(np.ascontiguousarray(new), name=one.value.name)  # all its readers follow
    FoldCodebooks(storage, uint2)(model)
    return Palettized(model, tuple(layers), pictures, tuple(left))


def _weights(model: ir.Model) -> Iterator[_Weight]:
    """Every float32 weight once, by the first node that reads it."""
    seen: set[int] = set()
    for node in nodes(model):
        places, axis = _WEIGHTS.get(node.op_type, ((), 0))
        for index in places if is_op(node, node.op_type) else ():
            value = stored_constant(node.inputs[index]) if index < len(node.inputs) else None
            if value is None or value is not node.inputs[index] or value.dtype != ir.DataType.FLOAT or id(value) in seen:
                continue
            array = constant(value)
            if array is None or array.ndim < 2 or not array.size or not bool(np.all(np.isfinite(array))):
                continue
            if is_op(node, "Gather") and attribute_int(node, "axis", 0) != 0:
                continue
            seen.add(id(value))
            own = 0 if is_op(node, "Gemm") and attribute_int(node, "transB", 0) else axis % array.ndim
            yield _Weight(node, index, own, value)


def _bits(
    model: ir.Model, found: list[_Weight], wish: CodebookWish, float_bytes: int, data: Dataset | None, progress: Progress
) -> dict[str, int]:
    candidates = [Candidate(one.key, str(one.node.name), one.array().size, one.array().shape[one.axis], 4) for one in found]
    bits = wished_bits(model, candidates, wish)
    if not wish.allocated:
        return bits
    fixed = {key: width for key, width in bits.items() if wish.layers}
    arrays = {one.key: one.array() for one in found if one.key not in fixed}
    rows = {one.key: _channels(arrays[one.key], one.axis) for one in found if one.key in arrays}
    shares = {key: distortions(array, BITS) for key, array in rows.items()}
    costs = dict.fromkeys(arrays, 1.0)
    if data is not None:
        changed = {}
        for one in found:
            if one.key in arrays:
                front = probe(rows[one.key]).reshape(turned(arrays[one.key].shape, one.axis))
                changed[one.key] = np.ascontiguousarray(np.moveaxis(front, 0, one.axis))
        damage = output_damage(model, changed, data, progress)
        costs = {key: damage[key] / max(shares[key][PROBE_BITS], 1e-12) for key in arrays}
    free = [one for one in candidates if one.key in arrays]
    choices = {one.key: choices_of(one, wish, shares[one.key], costs[one.key]) for one in free}
    plain = sum(one.size for one in free)
    rest = float_bytes - 4 * plain
    budget = wish.bits_avg / 8 * plain if wish.bits_avg is not None else (wish.size_budget or 1.0) * float_bytes - rest
    return fixed | {key: width for key, width in allocate(choices, budget).items() if width in BITS}


def _channels(array: F32, axis: int) -> F32:
    """[1, channels, rest]."""
    return np.ascontiguousarray(np.moveaxis(array, axis, 0)).reshape(1, array.shape[axis], -1)


def _moments(model: ir.Model, found: list[_Weight], data: Dataset, seed: int, progress: Progress) -> dict[str, Moment]:
    """Second moments of the inputs of Conv, Gemm and MatMul, on a grid of 8 bits over the range that was seen."""
    layers = [layer for one in found if one.index == 1 and (layer := layer_of(one.node)) is not None]
    statistics = observe(model, tuple(dict.fromkeys(layer.source for layer in layers)), data, progress=progress)
    grids = {name: grid_for_range(seen.low, seen.high, "uint8") for name, seen in statistics.items() if seen.count and not seen.nonfinite}
    return measure_moments(model, [layer for layer in layers if layer.source in grids], grids, data, seed=seed, progress=progress)


def _fit(one: _Weight, weight: F32, wish: CodebookWish, bits: int, moment: Moment | None) -> F32:
    layer = layer_of(one.node) if one.index == 1 else None
    if layer is None:  # no rows that are multiplied with an input: channels as rows
        new = _fit_rows(_channels(weight, one.axis), None, wish, bits)
        return np.ascontiguousarray(np.moveaxis(new.reshape(turned(weight.shape, one.axis)), 0, one.axis))
    second = moment.second if moment is not None and moment.rows else None
    new = _fit_rows(weight_rows(weight, one.node, layer), second, wish, bits)
    return np.asarray(from_rows(new, one.node, weight.shape), np.float32)


def _fit_rows(rows: F32, moment: NDArray[np.float64] | None, wish: CodebookWish, bits: int) -> F32:
    importance = np.ones(rows[:, 0].shape) if moment is None else np.einsum("gkk->gk", moment)
    kept = None if wish.pruning is None else kept_weights(rows, importance, wish.pruning)
    if wish.grain.vector > 1:
        return vector_reals(rows if kept is None else rows * kept, importance, wish.grain, bits)
    zero = kept is not None or float(np.mean(rows == 0)) >= SPARSE
    least = np.zeros(rows.shape[:2], np.float32)
    return fit_reals(
        Weights(rows, importance, moment, Codes(0, 0, (), None, kept=kept), least, False, zero), wish.grain, bits
    ) + np.float32(0)
