"""Decide, for codebooks: which weights become one and at how many bits, and how the plan says
so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.codebook import NODES_BYTES, Grain, codebook_bytes
from edgeq.numerics.codebook_descent import Fit, WeightRows
from edgeq.numerics.codebook_fit import fit_codebook
from edgeq.numerics.codebook_vectors import fit_vectors
from edgeq.numerics.pruning import kept_weights
from edgeq.numerics.rounding import Codes
from edgeq.planning.weight_grids import symmetric_grid, unlimited
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.patterns import kept_nodes
from edgeq.schema.target import Target
from edgeq.schema.weights import CodebookWeight, integer_weight

#: a layer with at least this share of zeros keeps them exactly
SPARSE = 0.1


@dataclass(frozen=True)
class StorableWeight:
    """A weight that could be a codebook: its size, output channels, and bytes of one number as it
    is stored now.
    """

    key: str
    node: str
    size: int
    channels: int
    item: int = 1

    def saves(self, bits: int, grain: Grain) -> bool:
        """Whether a codebook of so many bits is smaller."""
        return codebook_bytes(self.size, bits, grain, self.channels, self.item) + NODES_BYTES < self.size * self.item


def wished_bits(model: ir.Model, candidates: Iterable[StorableWeight], wish: CodebookWish) -> dict[str, int]:
    """Key of a weight -> index width, for all that the wish names and that get smaller."""
    special = {name: width for pattern, width in wish.layer_bits.items() for name in kept_nodes(model, pattern)}
    wanted = {one.key: special.get(one.node, wish.bits) for one in candidates}
    return {one.key: bits for one in candidates if (bits := wanted[one.key]) is not None and one.saves(bits, wish.grain)}


def codebook_of(rows: F32, moment: F64 | None, codes: Codes, least: F32, shared: bool, wish: CodebookWish, bits: int) -> Fit:
    """Prune as wished, then fit. rows [G, C, K]; moment [G, K, K] (None: all inputs count
    alike).
    """
    importance = np.ones(rows[:, 0].shape) if moment is None else np.einsum("gkk->gk", moment)
    if wish.pruning is not None:
        codes = replace(codes, kept=kept_weights(rows, importance, wish.pruning))
    zero = codes.kept is not None or (bool(rows.size) and float(np.mean(rows == 0)) >= SPARSE)
    if wish.grain.vector > 1:
        return fit_vectors(WeightRows(rows, importance, None, codes, least, shared, zero), wish.grain, bits)
    return fit_codebook(WeightRows(rows, importance, moment, codes, least, shared, zero), wish.grain, bits)


def embedding_codebook(node: ir.Node, target: Target, wish: CodebookWish, bits: int) -> CodebookWeight:
    """An embedding table: one scale a column. node: the Gather that reads it."""
    table = np.asarray(constant(node.inputs[0]), np.float32)
    rows = np.ascontiguousarray(table.T)[None]
    fit = codebook_of(rows, None, unlimited(target.weights), np.zeros(rows.shape[:2], np.float32), False, wish, bits)
    why = "one scale a column of the embedding table (axis 1)"
    plan = integer_weight(symmetric_grid(fit.scale, 1, target.weights), f"codebook, {bits} bits", why)
    codes = np.ascontiguousarray(fit.codes[0].T).astype(target.weights.dtype)
    return plan.with_codes(codes).as_codebook(wish.granularity, 1, bits)
