"""Decide, for codebooks: which weights become one and at how many bits, and how the plan says
so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant
from edgeq.numerics.arrays import F32, F64
from edgeq.numerics.clustering import Clustering
from edgeq.numerics.codebook import grain_of_rows
from edgeq.numerics.codebook_descent import Fit, WeightRows
from edgeq.numerics.codebook_fit import fit_codebook, fit_reals
from edgeq.numerics.codebook_vectors import fit_vectors, vector_reals
from edgeq.numerics.pruning import kept_weights
from edgeq.numerics.rounding.codes import Codes
from edgeq.planning.weight_grids import symmetric_grid, unlimited
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.task import Task
from edgeq.schema.weights import CodebookWeight, integer_weight

#: a layer with at least this share of zeros keeps them exactly
SPARSE = 0.1


def pruned_rows(
    rows: F32, moment: F64 | None, codes: Codes, least: F32, shared: bool, codebook: CodebookWish, clustering: Clustering
) -> WeightRows:
    """The rows of a weight as codebooks are fitted to, pruned as the recipe requests.

    rows: [G, C, K]. moment: [G, K, K], E[x x^T] of the layer's inputs; None: all inputs count
    alike. least: [G, C], the smallest scale of each row. shared: whether all rows share one scale.
    clustering: who finds the first tables.
    """
    importance = np.ones(rows[:, 0].shape) if moment is None else np.einsum("gkk->gk", moment)
    if codebook.pruning is not None:
        codes = replace(codes, kept=kept_weights(rows, importance, codebook.pruning))
    zero = codes.kept is not None or (bool(rows.size) and float(np.mean(rows == 0)) >= SPARSE)
    return WeightRows(rows, importance, moment, codes, least, shared, zero, clustering)


def codebook_of(
    rows: F32, moment: F64 | None, codes: Codes, least: F32, shared: bool, codebook: CodebookWish, bits: int, clustering: Clustering
) -> Fit:
    """A codebook of integers for rows [G, C, K]; the arguments are those of pruned_rows."""
    weights = pruned_rows(rows, moment, codes, least, shared, codebook, clustering)
    grain, width = grain_of_rows(codebook.grain, bits, rows.shape[-1])
    return fit_codebook(weights, grain, width) if grain.vector == 1 else fit_vectors(weights, grain, width)


def real_codebook_of(rows: F32, moment: F64 | None, codebook: CodebookWish, bits: int, clustering: Clustering) -> F32:
    """The new weights [G, C, K] of a codebook of real numbers; the arguments are those of
    pruned_rows.
    """
    weights = pruned_rows(rows, moment, Codes(0, 0, (), None), np.zeros(rows.shape[:2], np.float32), False, codebook, clustering)
    kept = weights.codes.kept
    grain, width = grain_of_rows(codebook.grain, bits, rows.shape[-1])
    if grain.vector > 1:
        kept_rows = rows if kept is None else rows * kept
        return vector_reals(kept_rows, weights.importance, grain, width, clustering.vectors)
    return fit_reals(weights, grain, width) + np.float32(0)


def embedding_codebook(node: ir.Node, task: Task, bits: int) -> CodebookWeight:
    """An embedding table: one scale a column. node: the Gather that reads it."""
    target, codebook = task.target, task.recipe.codebook
    table = np.asarray(constant(node.inputs[0]), np.float32)
    rows = np.ascontiguousarray(table.T)[None]
    least = np.zeros(rows.shape[:2], np.float32)
    fit = codebook_of(rows, None, unlimited(target.weights), least, False, codebook, bits, task.clustering)
    why = "one scale per column of the embedding table (axis 1)"
    plan = integer_weight(symmetric_grid(fit.scale, 1, target.weights), f"codebook, {bits} bits", why)
    codes = np.ascontiguousarray(fit.codes[0].T).astype(target.weights.dtype)
    grain, width = grain_of_rows(codebook.grain, bits, rows.shape[-1])
    return plan.with_codes(codes).as_codebook(str(grain), 1, width)
