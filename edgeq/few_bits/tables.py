"""Codebooks for a float model as it is: weights become indices into tables of floats; everything
else stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.moments import measure_moments
from edgeq.calibration.observe import observe
from edgeq.data.dataset import Dataset
from edgeq.engines.sent import Sent
from edgeq.errors import BadModel
from edgeq.few_bits.fitting import Fits, fitted
from edgeq.few_bits.float_weights import FloatWeight, float_weights
from edgeq.graph.find_layer import layer_of
from edgeq.graph.forms.constants import tensor_of
from edgeq.io.load import Loaded
from edgeq.numerics.arrays import F32
from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.numerics.codebook import encode, grain_of_rows
from edgeq.numerics.grid import grid_for_range
from edgeq.numerics.rounding.moment import Moment
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.store.drop_exporter_notes import DropExporterNotes
from edgeq.passes.store.fold_codebooks import FoldCodebooks, Storage
from edgeq.progress import Progress
from edgeq.refine.codebooks.budget import ByteBudget, StorableWeight, bits_of
from edgeq.report.codebooks import CodebookLayer, describe
from edgeq.report.formats import FormatLayer
from edgeq.schema.codebook import CodebookWish

#: the lowest opset that the stored forms were tested at
MIN_OPSET = 13


@dataclass(frozen=True, eq=False)
class Palettized:
    """The model with codebooks, what they did to each weight, and the float weights and their new
    values by node, for pictures.

    left: node, and why its weight stays as it is.
    """

    model: ir.Model
    layers: tuple[CodebookLayer, ...]
    weights: Mapping[str, tuple[F32, F32]]
    left: tuple[tuple[str, str], ...]
    #: what number formats did to each weight
    formats: tuple[FormatLayer, ...] = ()


#: (float model, the same with its tables' values, how they are stored, value name -> float weight)
#: to better values by value name
Tune = Callable[[ir.Model, ir.Model, Mapping[str, Storage], Mapping[str, F32]], Mapping[str, F32]]


def with_tables(
    loaded: Loaded,
    codebook: CodebookWish,
    data: Dataset | None,
    progress: Progress,
    *,
    seed: int = 0,
    uint2: bool = False,
    tune: Tune | None = None,
    clustering: Clustering = EXACT,
) -> Palettized:
    """A copy of a float model whose weights are codebooks of floats. data: weights that matter more
    to the outputs come closer.

    tune: may then change the tables, and which entry a weight is stored as. clustering: who finds
    the first tables.
    """
    model = loaded.model.clone()
    if model.opset_imports.get("", 0) < MIN_OPSET:
        ConvertOpset(MIN_OPSET, MIN_OPSET)(model)
    InferShapes()(model)
    found = list(float_weights(model))
    if not found:
        raise BadModel("The model has no weights that could be stored as codebooks.", str(loaded.path or "the model"), "Leave it as it is.")
    bits = _bits(model, found, codebook, loaded.size, data, progress)
    moments = {} if data is None else moments_of_inputs(model, [one for one in found if one.key in bits], data, seed, progress)
    plain = model.clone() if tune is not None else model
    progress.start("fit codebooks", len(bits))
    layers, pictures, left = [], {}, []
    storage: dict[str, Storage] = {}
    before: dict[str, F32] = {}
    bits = {one.key: bits[one.key] for one in found if one.key in bits}
    fits = fitted(Fits(Sent.of(model), codebook, bits, moments, clustering), progress)
    for one in found:
        if one.key not in bits:
            left.append((str(one.node.name), "a table would cost more than it saves, or the recipe gives no bits for it"))
            continue
        weight, new = one.array(), next(fits)
        grain, width = grain_of_rows(codebook.grain, bits[one.key], weight.size // max(weight.shape[one.axis], 1))
        if encode(new, grain, one.axis, width) is None:
            left.append((str(one.node.name), "its size is no multiple of the vectors"))
            continue
        before[str(one.value.name)] = weight
        storage[one.key] = Storage(grain, one.axis, width)
        one.value.const_value = tensor_of(new, one.value.name)  # all its readers follow
    learned = {} if tune is None else tune(plain, model, storage, before)
    for one in [one for one in found if one.key in storage]:
        new, weight, name = learned.get(str(one.value.name), one.array()), before[str(one.value.name)], str(one.node.name)
        how = storage[one.key]
        book = encode(new, how.grain, how.axis, how.bits)
        assert book is not None  # as before, or of no more values than its tables have
        layers.append(describe(name, weight, new, book, np.empty(0, np.float32)))
        pictures[name] = (weight, new)
        one.value.const_value = tensor_of(new, one.value.name)
    FoldCodebooks(storage, uint2)(model)
    DropExporterNotes()(model)
    return Palettized(model, tuple(layers), pictures, tuple(left))


def _bits(
    model: ir.Model, found: list[FloatWeight], codebook: CodebookWish, float_bytes: int, data: Dataset | None, progress: Progress
) -> dict[str, int]:
    """Key of a weight -> bits of its codebook's index, as the recipe requests."""
    candidates = [
        StorableWeight(one.key, str(one.node.name), math.prod(shape), shape[one.axis], one.channels, one.from_channels, 4)
        for one in found
        if (shape := one.array().shape)
    ]
    return bits_of(model, candidates, codebook, ByteBudget(float_bytes, lambda plain: float_bytes - 4 * plain), data, progress)


def moments_of_inputs(model: ir.Model, found: list[FloatWeight], data: Dataset, seed: int, progress: Progress) -> dict[str, Moment]:
    """Second moments of the inputs of Conv, Gemm and MatMul, on a grid of 8 bits over the range
    that was seen.
    """
    layers = [layer for one in found if one.index == 1 and (layer := layer_of(one.node)) is not None]
    statistics = observe(model, tuple(dict.fromkeys(layer.source for layer in layers)), data, progress=progress)
    grids = {name: grid_for_range(seen.low, seen.high, "uint8") for name, seen in statistics.items() if seen.count and not seen.nonfinite}
    known = [layer for layer in layers if layer.source in grids]
    moments = measure_moments(model, [[layer] for layer in known], grids, data, seed=seed, progress=progress)
    return {layer.node: moment for layer, moment in zip(known, moments, strict=True)}
