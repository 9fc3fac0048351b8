"""The small forms in which a plan stores weights, as the passes take them."""

from __future__ import annotations

from edgeq.numerics.codebook import parse_grain
from edgeq.numerics.formats.format import Format
from edgeq.passes.store.fold_codebooks import Storage
from edgeq.passes.store.store_formats import FormatStorage
from edgeq.schema.plan import Plan
from edgeq.schema.weights import split_weight_key


def codebooks(plan: Plan) -> dict[str, Storage]:
    """The weights that are codebooks, by weight_key."""
    found = {key: weight for key, weight in plan.weights.items() if weight.format == "codebook"}
    return {key: Storage(parse_grain(one.granularity), one.channel_axis, one.bits) for key, one in found.items()}


def number_formats(plan: Plan) -> dict[str, FormatStorage]:
    """The weights in number formats, by weight_key."""
    found = {key: weight for key, weight in plan.weights.items() if weight.format == "number"}
    return {key: FormatStorage(one.number_format, one.channel_axis) for key, one in found.items()}


def looked_up(plan: Plan) -> dict[str, Format]:
    """The formats of tables whose rows are looked up, by weight_key."""
    places = {key: plan.nodes.get(split_weight_key(key)[0]) for key in plan.weights}
    tables = {key for key, place in places.items() if place is not None and place.because == "embedding"}
    return {key: one.format for key, one in number_formats(plan).items() if key in tables}
