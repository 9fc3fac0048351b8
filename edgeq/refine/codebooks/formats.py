"""Decide which weights get which number format: as the recipe asks, or within a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir

from edgeq.calibration.sensitivity import output_damage
from edgeq.data.dataset import Dataset
from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32
from edgeq.numerics.bit_allocation import WidthOption, allocate
from edgeq.numerics.codebook import NODES_BYTES, can_fold
from edgeq.numerics.formats.blocks import padded
from edgeq.numerics.formats.codebook import CodebookFormat
from edgeq.numerics.formats.format import CHANNEL_FLOAT, Format
from edgeq.numerics.formats.table import parse_format
from edgeq.progress import Progress
from edgeq.refine.codebooks.budget import ByteBudget
from edgeq.refine.codebooks.tables import requested_tables
from edgeq.refine.draft import Draft
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


def short_codes(draft: Draft) -> dict[str, int]:
    """By node, the bits of weights whose codes have fewer than 8 and one scale for a whole row."""
    recipe = draft.task.recipe
    if recipe.weight_bits < 8:
        return {one.layer.node: recipe.weight_bits for one in draft.layers}
    forms = requested_formats(draft.model, draft.layers, recipe.weight_format)
    found = {one.layer.node: forms.get(one.key) for one in draft.layers}
    return {
        node: form.bits for node, form in found.items() if isinstance(form, Format) and form.bits < 8 and form.levels == (CHANNEL_FLOAT,)
    }


def fits(form: Format, one: Weighted) -> bool:
    """Whether a layer that runs in integers can take the format, and gets smaller by it."""
    layer = one.layer
    if form.compute != "int8" or layer.columns < (form.block or 1) or (layer.inputs_first and layer.groups > 1):
        return False
    rows = layer.groups * layer.outputs
    if not can_fold(rows * padded(layer.columns, form.block or 1)):
        return False
    return form.bytes_of(rows, layer.columns) + NODES_BYTES + form.more_bytes < rows * layer.columns


@dataclass(frozen=True, eq=False)
class _Choice:
    """A weight, and the formats that it may have."""

    #: [G, C, K]
    rows: F32
    #: the shape of a row
    kernel: tuple[int, ...]
    #: brings rows back into the weight's own shape
    put_back: Callable[[F32], F32]
    formats: tuple[Format, ...]


#: the format whose damage to the outputs is measured: coarse enough to rise above what is lost
#: anyway
PROBE = "int4"


def allocated_formats(draft: Draft, budget: ByteBudget, data: Dataset | None, progress: Progress) -> dict[str, Small]:
    """Key of a weight -> its number format, within the recipe's budget; int8 is left out.

    Formats that patterns name stay as they are, and their weights out of the budget. data: the
    samples on which the damage to the outputs is measured; None: all weights count alike.
    """
    wish = draft.task.recipe.weight_format
    named: dict[str, Small] = requested_formats(draft.model, draft.layers, wish)
    named |= requested_tables(draft.model, draft.tables, wish, draft.task.target)
    choices = {key: one for key, one in _choices(draft, [parse_format(word) for word in wish.among]).items() if key not in named}
    probes = {key: parse_format(PROBE).fit(one.rows, None, one.kernel).real for key, one in choices.items()}
    errors = {key: _error(one.rows, probes[key]) for key, one in choices.items()}
    if data is not None:
        damage = output_damage(draft.model, {key: one.put_back(probes[key]) for key, one in choices.items()}, data, progress)
    else:
        damage = {key: error / max(float(np.square(choices[key].rows, dtype=np.float64).sum()), 1e-30) for key, error in errors.items()}
    options = {key: _options(one, damage[key] / max(errors[key], 1e-30), errors[key]) for key, one in choices.items()}
    found = allocate(options, budget.of(wish, sum(one.rows.size for one in choices.values())))
    return named | {key: form for key, form in found.items() if form.name != "int8"}


def _choices(draft: Draft, among: Sequence[Format]) -> dict[str, _Choice]:
    """Every weight once that some of the formats make smaller, by its key."""
    found: dict[str, _Choice] = {}
    seen: set[str] = set()
    for one in draft.layers:
        forms = tuple(form for form in among if fits(form, one))
        if forms and one.weight not in seen:
            found[one.key] = _Choice(one.rows(), one.layer.kernel, partial(_back, one), forms)
        seen.add(one.weight)
    able = [(form, requested_tables(draft.model, draft.tables, WeightFormats(name=form.name), draft.task.target)) for form in among]
    for key, node in draft.tables.items():
        forms = tuple(form for form, tables in able if key in tables)
        if forms:
            table = np.asarray(constant(node.inputs[0]), np.float32)
            found[key] = _Choice(table[None], table.shape[1:], partial(np.squeeze, axis=0), forms)
    return found


def _back(one: Weighted, rows: F32) -> F32:
    return np.asarray(one.layer.from_rows(rows), np.float32)


def _options(one: _Choice, cost: float, probed: float) -> list[WidthOption[Format]]:
    """What a weight can be stored as.

    cost: what a unit of squared error does to the outputs. probed: the error of format PROBE.
    """
    rows, columns = one.rows.shape[0] * one.rows.shape[1], one.rows.shape[2]
    whole = parse_format("int8")
    found = [WidthOption(whole, rows * columns, cost * _error(one.rows, whole.fit(one.rows, None, one.kernel).real))]
    for form in one.formats:
        size = form.bytes_of(rows, columns) + NODES_BYTES + form.more_bytes
        error = probed if form.name == PROBE else _error(one.rows, form.fit(one.rows, None, one.kernel).real)
        found.append(WidthOption(form, size, cost * error))
    return found


def _error(rows: F32, stored: F32) -> float:
    return float(np.square(rows - stored, dtype=np.float64).sum())
