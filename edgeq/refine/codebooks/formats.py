"""Decide which weights are stored in which number format, as the recipe asks."""

from __future__ import annotations

import onnx_ir as ir

from edgeq.numerics.codebook import NODES_BYTES
from edgeq.numerics.formats.codebook import CodebookFormat
from edgeq.numerics.formats.format import Format
from edgeq.refine.weight_fit import Small
from edgeq.refine.weighted import Weighted
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.weight_format import WeightFormats


def requested_formats(model: ir.Model, layers: tuple[Weighted, ...], wish: WeightFormats) -> dict[str, Small]:
    """Key of a weight -> its number format, of the layers that take one.

    Depthwise layers keep int8 unless a pattern names them: they hold a few weights for each
    channel, hardly any of a model's bytes and much of its error. So do rows that are shorter than a
    block, whose scale would say what the scale of the channel says, and weights that would not get
    smaller.
    """
    special = {name: form for pattern, form in wish.layer_formats.items() for name in kept_nodes(model, pattern, "weight_format.layers")}
    found: dict[str, Small] = {}
    for one in layers:
        usual = None if one.layer.depthwise else wish.format
        form = special.get(one.layer.node, usual)
        if form is not None and fits(form, one):
            found[one.key] = form.bits if isinstance(form, CodebookFormat) else form
    return found


def fits(form: Format, one: Weighted) -> bool:
    """Whether a layer that runs in integers can take the format, and gets smaller by it."""
    layer = one.layer
    if form.compute != "int8" or layer.columns < (form.block or 1) or (layer.inputs_first and layer.groups > 1):
        return False
    rows = layer.groups * layer.outputs
    return form.bytes_of(rows, layer.columns) + NODES_BYTES + form.more_bytes < rows * layer.columns
