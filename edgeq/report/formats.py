"""Describe what a number format did to each weight: bits as quoted, bits as stored, error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgeq.io.visible import visible
from edgeq.numerics.arrays import F32
from edgeq.numerics.codebook import turned
from edgeq.numerics.formats.format import Format
from edgeq.numerics.formats.microexponents import Microexponents
from edgeq.numerics.formats.microscaling import Microscaling
from edgeq.passes.store.store_formats import FormatStorage, worth_storing
from edgeq.report.detail.corner import Corner, corner_of
from edgeq.report.stored_weights import weight_sqnr, weights_stored
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.weights import FormatWeight

#: number of layers in the table; of the others only the count is shown
SHOWN = 12


@dataclass(frozen=True)
class FormatLayer:
    """A weight that is stored in a number format."""

    #: name of the node that reads the weight
    node: str
    #: shape of the weight
    shape: tuple[int, ...]
    #: name of the format
    format: str
    #: bits for each number as the format is usually quoted: elements and scales of blocks
    nominal_bits: float
    #: bits for each number in the file: with scales of channels, zero points and padding
    stored_bits: float
    #: bytes in the file
    bytes: int
    #: bytes of the float weight
    float_bytes: int
    #: 10 log10(sum w^2 / sum (w - w')^2) in dB
    sqnr_db: float
    #: how many blocks share an exponent that was raised, so that one int8 grid holds their channel
    raised: int = 0
    #: the first numbers of the weight, before and after; None: they were not kept
    corner: Corner | None = None
    #: accuracy level of the MatMulNBits that multiplies with the codes; None: they are unpacked
    accuracy_level: int | None = None


def stored_formats(model: ir.Model, plan: Plan) -> tuple[FormatLayer, ...]:
    """The weights of a plan in number formats, in graph order; a shared weight is listed once.

    model: the prepared float model.
    """
    found: dict[str, FormatLayer] = {}
    for one in weights_stored(model, plan, FormatWeight):
        form = one.how.number_format
        stored = None if one.name in found else worth_storing(one.codes, FormatStorage(form, one.how.channel_axis))
        if stored is not None:
            found[one.name] = FormatLayer(
                one.node, one.weight.shape, form.name, form.nominal_bits, stored.bits_per_weight, stored.nbytes, one.weight.nbytes,
                weight_sqnr(one.weight, one.new), _raised(form, one.weight, one.how), corner_of(one.weight, one.new),
            )  # fmt: skip
    return tuple(found.values())


def _raised(form: Format, weight: F32, how: FormatWeight) -> int:
    """The blocks of a weight whose exponent was raised to fit the int8 grid of their channel."""
    if not isinstance(form, Microscaling | Microexponents):
        return 0
    front = turned(weight.shape, how.channel_axis)
    rows = np.moveaxis(weight, how.channel_axis, 0).reshape(1, front[0], -1).astype(np.float32)
    scale = np.broadcast_to(np.asarray(how.scale, np.float32), (1, front[0]))
    return form.raised(rows, scale, front[1:] or (1,))


def unused_formats(plan: Plan, recipe: Recipe) -> tuple[str, ...]:
    """A note for each format that the recipe asks for and no weight of the plan has."""
    wish, used = recipe.weight_format, {weight.name for weight in plan.weights.values() if isinstance(weight, FormatWeight)}
    asked = {form.name: form for form in (wish.format, *wish.layer_formats.values()) if form is not None and form.name != "int8"}
    more = "; --prefer integers lets more layers run in integers" if recipe.placement.prefer == "speed" else ""
    small = f"no layer that runs in integers gets smaller by it{more}"
    floats = "it computes in float: `edgeq palettize --format` stores weights of float models"
    return tuple(
        f"no weight is stored in {name}: {floats if form.compute == 'float' else small}" for name, form in asked.items() if name not in used
    )


def format_lines(layers: Sequence[FormatLayer]) -> list[RenderableType]:
    """The sum over all weights, and the layers with the lowest SQNR."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("format")
    for head in ("bits", "stored", "SQNR dB"):
        table.add_column(head, justify="right")
    table.add_column("layer", overflow="fold")
    for layer in sorted(layers, key=lambda one: one.sqnr_db)[:SHOWN]:
        bits, stored = f"{layer.nominal_bits:g}", f"{layer.stored_bits:.2f}"
        table.add_row(layer.format, bits, stored, f"{layer.sqnr_db:.1f}", Text(visible(layer.node)))
    parts: list[RenderableType] = [Text(format_summary(layers)), table]
    if len(layers) > SHOWN:
        parts.append(Text(f"and {len(layers) - SHOWN} more, with less error", "dim"))
    products = sum(layer.accuracy_level is not None for layer in layers)
    if products:
        parts.append(Text(f"{products} of few rows run as MatMulNBits: activations are rounded to 8 bits in blocks", "dim"))
    return parts


def format_summary(layers: Sequence[FormatLayer]) -> str:
    """How many weights are in number formats, and how many bits they take in the file."""
    names = ", ".join(sorted({layer.format for layer in layers}))
    weights, stored = sum(layer.float_bytes // 4 for layer in layers), sum(layer.bytes for layer in layers)
    noun = "weight" if len(layers) == 1 else "weights"
    raised = sum(layer.raised for layer in layers)
    grid = f"; {raised} exponents of blocks were raised to fit the int8 grids of their channels" if raised else ""
    return f"{len(layers)} {noun} in {names}: {8 * stored / max(weights, 1):.3f} bits each in the file, scales and padding included{grid}"
