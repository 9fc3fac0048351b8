"""Decide at how many bits each weight becomes a codebook: as requested, or within a budget.

Integer models and models that stay float ask the same questions; a StorableWeight says how to look
at one of their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.calibration.sensitivity import output_damage
from edgeq.data.dataset import Dataset
from edgeq.numerics.arrays import F32
from edgeq.numerics.bit_allocation import SKETCH, WidthOption, allocate, distortions
from edgeq.numerics.codebook import BITS, NODES_BYTES, Grain, can_fold, codebook_bytes, grain_of_rows
from edgeq.numerics.kmeans import cluster
from edgeq.progress import Progress
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.weight_format import WeightFormats

#: the width that sensitivity is measured at: coarse enough to rise above what is lost anyway
PROBE_BITS = 3


@dataclass(frozen=True)
class StorableWeight:
    """A weight that could be stored as a codebook."""

    #: of the weight in the plan
    key: str
    #: the node that reads it
    node: str
    #: how many numbers it has
    size: int
    #: how many output channels it has
    channels: int
    #: the weight as rows [G, C, K], whose tables are fitted
    rows: Callable[[], F32]
    #: brings rows back into the weight's own shape
    put_back: Callable[[F32], F32]
    #: bytes of one number as it is stored now
    item: int = 1

    def saves(self, bits: int, grain: Grain) -> bool:
        """Whether a codebook of this index width is smaller than the weight is now, and is unpacked
        before the first run.
        """
        return can_fold(self.size) and self.bytes_of(bits, grain) < self.size * self.item

    def bytes_of(self, bits: int, grain: Grain) -> int:
        """Bytes of the codebook that these words lead to, with its nodes."""
        own, width = grain_of_rows(grain, bits, self.size // max(self.channels, 1))
        return codebook_bytes(self.size, width, own, self.channels, self.item) + NODES_BYTES


def requested_bits(model: ir.Model, candidates: Iterable[StorableWeight], codebook: CodebookWish) -> dict[str, int]:
    """Key of a weight -> index width, for weights that the recipe names and that get smaller."""
    special = {name: width for pattern, width in codebook.layer_bits.items() for name in kept_nodes(model, pattern, "codebook.layers")}
    wanted = {one.key: special.get(one.node, codebook.bits) for one in candidates}
    return {one.key: bits for one in candidates if (bits := wanted[one.key]) is not None and one.saves(bits, codebook.grain)}


@dataclass(frozen=True)
class ByteBudget:
    """The size that is asked for, in bytes."""

    #: of the float model's file
    float_bytes: int
    #: of all that lies in the file beside the allocated weights, for the number of numbers that
    #: these have; called only where the file's size is asked for
    rest: Callable[[int], int]

    def of(self, wish: CodebookWish | WeightFormats, plain: int) -> float:
        """Bytes that the allocated weights may take. plain: how many numbers they have."""
        if wish.bits_avg is not None:
            return wish.bits_avg / 8 * plain
        return (wish.size_budget or 1.0) * self.float_bytes - self.rest(plain)


def bits_of(
    model: ir.Model,
    candidates: Sequence[StorableWeight],
    codebook: CodebookWish,
    budget: ByteBudget,
    data: Dataset | None,
    progress: Progress,
) -> dict[str, int]:
    """Key of a weight -> index width, as requested; within the budget where the recipe has one.

    A weight of one byte per number that is allocated 8 bits stays as it is. data: the samples on
    which the damage to the outputs is measured; None: all weights count alike.
    """
    bits = requested_bits(model, candidates, codebook)
    if not codebook.allocated:
        return bits
    fixed = {key: width for key, width in bits.items() if codebook.layers}
    free = [one for one in candidates if one.key not in fixed]
    rows = {one.key: one.rows() for one in free}
    shares = {key: distortions(array, BITS) for key, array in rows.items()}
    costs = dict.fromkeys(rows, 1.0)
    if data is not None:
        damage = output_damage(model, {one.key: one.put_back(probe(rows[one.key])) for one in free}, data, progress)
        costs = {key: damage[key] / max(shares[key][PROBE_BITS], 1e-12) for key in rows}
    choices = {one.key: choices_of(one, codebook, shares[one.key], costs[one.key]) for one in free}
    found = allocate(choices, budget.of(codebook, sum(one.size for one in free)))
    return fixed | {one.key: found[one.key] for one in free if found[one.key] < 8 or one.item > 1}


def probe(rows: F32) -> F32:
    """rows [G, C, K] at PROBE_BITS, each row scaled alike."""
    spread = np.sqrt(np.square(rows).mean(-1, keepdims=True))
    scaled = (rows / np.where(spread > 0, spread, 1)).astype(np.float32)
    few = scaled.reshape(-1)[:: max(1, scaled.size // SKETCH)]
    table = cluster(few, None, 2**PROBE_BITS)
    nearest = np.searchsorted((table[:-1] + table[1:]) / 2, scaled)
    return np.asarray(table[nearest] * spread, np.float32)


def choices_of(one: StorableWeight, codebook: CodebookWish, shares: Mapping[int, float], cost: float) -> list[WidthOption[int]]:
    """What a weight can be stored as: codebooks that save something, and as it is."""
    found = [
        WidthOption(bits, one.bytes_of(bits, codebook.grain), cost * shares[bits])
        for bits in BITS
        if bits < 8 and one.saves(bits, codebook.grain)
    ]
    return [*found, WidthOption(8, one.size * one.item, cost * shares[8] if one.item == 1 else 0.0)]
