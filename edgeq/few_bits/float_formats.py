"""Number formats of few bits for the weights of a float model: everything else stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from edgeq.data.dataset import Dataset
from edgeq.errors import BadModel, BadRecipe
from edgeq.few_bits.float_weights import FloatWeight, float_weights
from edgeq.few_bits.tables import MIN_OPSET, Palettized, moments_of_inputs
from edgeq.graph.find_layer import layer_of
from edgeq.io.load import Loaded
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import NODES_BYTES, can_fold, turned
from edgeq.numerics.formats.block import FloatBlocks
from edgeq.numerics.formats.blocks import padded
from edgeq.numerics.formats.format import Format, Inputs, Stored
from edgeq.numerics.formats.table import family_of, in_floats
from edgeq.numerics.rounding.moment import Moment
from edgeq.passes.prepare.convert_opset import ConvertOpset
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.passes.store.drop_exporter_notes import DropExporterNotes
from edgeq.passes.store.store_block_products import LEVEL, StoreBlockProducts, can_be_block_product
from edgeq.passes.store.store_reals import TYPED_OPSET, StoredReals, StoreReals
from edgeq.planning.cost.blocks import faster_in_blocks
from edgeq.planning.cost.price import machines as machines_of
from edgeq.progress import Progress
from edgeq.report.detail.corner import corner_of
from edgeq.report.formats import FormatLayer
from edgeq.report.stored_weights import weight_sqnr
from edgeq.schema.cost import PlacementWish
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.target import load_target
from edgeq.schema.weight_format import WeightFormats


def in_formats(
    loaded: Loaded, wish: WeightFormats, data: Dataset | None, progress: Progress, *, seed: int = 0, typed: bool = False
) -> Palettized:
    """A copy of a float model whose weights are stored in number formats, and compute in float.

    data: weights that matter more to the outputs come closer. typed: FP8 and its scales are stored
    in types of their own, for which the model is converted to opset 24. Raises BadModel, and
    BadRecipe for a budget.
    """
    if wish.allocated:
        what = "A budget over number formats is for models that run in integers."
        raise BadRecipe(what, "weight_format", "Name a format, give the size to [codebook], or quantize.")
    model = loaded.model.clone()
    least = TYPED_OPSET if typed else MIN_OPSET
    if model.opset_imports.get("", 0) < least:
        ConvertOpset(least, least)(model)
    InferShapes()(model)
    found = list(float_weights(model))
    if not found:
        raise BadModel(
            "The model has no weights that could be stored in fewer bits.", str(loaded.path or "the model"), "Leave it as it is."
        )
    special = {name: form for pattern, form in wish.layer_formats.items() for name in kept_nodes(model, pattern, "weight_format.layers")}
    asked = {one.key: special.get(str(one.node.name), wish.format) for one in found}
    forms = {key: None if form is None else in_floats(form) for key, form in asked.items()}
    taken = {one.key: form for one in found if (form := forms[one.key]) is not None and _why_not(one, form) is None}
    chosen = [one for one in found if one.key in taken]
    few = _products(chosen, taken)  # before the data: sizes of open dimensions are noted with it
    moments = {} if data is None else moments_of_inputs(model, chosen, data, seed, progress)
    progress.start("fit number formats", len(chosen))
    storage: dict[str, StoredReals] = {}
    products: dict[str, Stored] = {}
    layers, pictures = [], {}
    for one in chosen:
        weight = one.array()
        with threadpool_limits(1, user_api="blas"):  # sums in one order, whatever the number of threads
            fitted = StoredReals(_fitted(one, weight, taken[one.key], moments), one.axis)
        progress.advance()
        new = fitted.reals(weight.shape)
        if one.key in few:
            products[one.key] = fitted.stored
        else:
            storage[one.key] = fitted
        pictures[str(one.node.name)] = (weight, new)
        layers.append(_described(one, weight, new, fitted.stored, LEVEL if one.key in few else None))
        one.replace(new)  # all its readers follow
    StoreBlockProducts(products)(model)
    StoreReals(storage, typed)(model)
    DropExporterNotes()(model)
    left = tuple((str(one.node.name), why) for one in found if (why := _why_not(one, forms[one.key])) is not None)
    return Palettized(model, (), pictures, left, tuple(layers))


def _products(chosen: Sequence[FloatWeight], taken: Mapping[str, Format]) -> frozenset[str]:
    """The weights that onnxruntime multiplies with as they are stored: where that is faster."""
    machines = machines_of(load_target("cpu"), PlacementWish(prefer="speed"))
    able = (one for one in chosen if isinstance(taken[one.key], FloatBlocks) and can_be_block_product(one.node))
    return frozenset(one.key for one in able if faster_in_blocks(one.node, machines))


def _why_not(one: FloatWeight, form: Format | None) -> str | None:
    """Why a weight stays as it is; None: it takes the format."""
    if form is None:
        return "the recipe gives no format for it"
    if family_of(form).stored_by is None:
        return f"{form.name} is for models that run in integers"
    shape = one.array().shape
    rows, columns = shape[one.axis], one.array().size // max(shape[one.axis], 1)
    if form.bytes_of(rows, columns) + NODES_BYTES + form.more_bytes >= 4 * rows * columns:
        return "its nodes would take more bytes than they save"
    if not can_fold(rows * padded(columns, form.block or 1)):
        return "onnxruntime would unpack so large a weight at every inference"
    return None


def _fitted(one: FloatWeight, weight: F32, form: Format, moments: Mapping[str, Moment]) -> Stored:
    """The weight in the format, as one group of all its output channels."""
    kernel = turned(weight.shape, one.axis)[1:] or (1,)
    layer, moment = layer_of(one.node) if one.index == 1 else None, moments.get(str(one.node.name))
    if layer is None or moment is None or not moment.rows or (layer.inputs_first and layer.groups > 1):
        return form.fit(one.channels(), None, kernel)
    found = form.fit(layer.weight_rows(weight), Inputs(moment.half()), layer.kernel)
    rows = one.channels().shape[1]
    scales = tuple(scale if not np.ndim(scale) else np.reshape(scale, (1, rows, *scale.shape[2:])) for scale in found.scales)
    return replace(found, elements=found.elements.reshape(1, rows, -1), scales=scales)


def _described(one: FloatWeight, weight: F32, new: F32, stored: Stored, level: int | None) -> FormatLayer:
    form = stored.format
    return FormatLayer(
        str(one.node.name),
        weight.shape,
        form.name,
        form.nominal_bits,
        stored.bits_per_weight,
        stored.nbytes,
        weight.nbytes,
        weight_sqnr(weight, new),
        corner=corner_of(weight, new),
        accuracy_level=level,
    )
