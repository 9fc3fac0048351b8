"""Decide: the plan with codebooks; where a size is given, the bits of each layer by what it costs
the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir

from edgeq.calibration.moments import Moment, unit_moments
from edgeq.calibration.sensitivity import output_damage
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.bit_allocation import SKETCH, Choice, allocate, distortions
from edgeq.numerics.codebook import BITS, NODES_BYTES, codebook_bytes
from edgeq.numerics.kmeans import cluster
from edgeq.progress import Clock, Progress
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.codebooks import StorableWeight, embedding_codebook, wished_bits
from edgeq.refine.draft import Draft
from edgeq.refine.round_apart import moments_of, refine
from edgeq.refine.round_in_sequence import fit_in_sequence, held_samples, in_sequence
from edgeq.refine.weighted import Weighted
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned

#: what is written into a file beside the graph, bytes: hashes, and a line for each node
METADATA_BYTES, METADATA_BYTES_A_NODE = 600, 100
#: the width that sensitivity is measured at: coarse enough to rise above what is lost anyway
PROBE_BITS = 3
#: the name of the step that fits codebooks
STEP = "codebooks"


@dataclass(frozen=True)
class FileSizes:
    """Bytes: of the float file, and of the file that a plan gives."""

    float_bytes: int
    of_plan: Callable[[Plan], int]


def plan_codebooks(draft: Draft, data: Dataset, files: FileSizes, clock: Clock, progress: Progress) -> Planned:
    """The draft's plan with codebooks as the recipe wishes: fitted in sequence where layers can be,
    the others to what the float model hands them.
    """
    late = in_sequence(draft.model, draft.layers) if held_samples(draft.model, data) else ()
    early = tuple(one for one in draft.layers if one not in late)
    with clock.stage("calibrate"):
        moments = moments_of(draft, early, data, progress) if early else {}
    with clock.stage("plan"):
        bits = _bits(draft, data, files, progress)
        rounded = draft.with_plan(_fit(draft, early, bits, moments, progress))

        def plain(one: Plan) -> ir.Model:
            """The numbers are the same without codebooks, and sooner there."""
            return draft.emulated(plainly(one))

        if late:
            fitted = fit_in_sequence(rounded, late, bits, plain, data, progress)
            corrected, uncorrected = fitted.plan, fitted.draft
        else:
            corrected, uncorrected = correct_biases(rounded, draft.layers, plain, data, progress), rounded.plan
        return Planned(corrected, uncorrected, ((STEP, corrected),))


def unmeasured_codebooks(draft: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> Planned:
    """The draft's plan with codebooks for which all inputs of a layer count alike."""
    bits = _bits(draft, data, files, progress)
    found = _fit(draft, draft.layers, bits, unit_moments([one.layer for one in draft.layers]), progress)
    return Planned(found, found, ((STEP, found),))


def _bits(draft: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> dict[str, int]:
    """Key of a weight -> bits of its codebook's index, as the recipe wishes."""
    wish, candidates = draft.task.recipe.codebook, _candidates(draft)
    bits = wished_bits(draft.model, candidates, wish)
    if not wish.allocated:
        return bits
    fixed = {key: width for key, width in bits.items() if wish.layers}
    return fixed | _allocated(draft, [one for one in candidates if one.key not in fixed], data, files, progress)


def _fit(draft: Draft, layers: tuple[Weighted, ...], bits: Mapping[str, int], moments: Mapping[str, Moment], progress: Progress) -> Plan:
    """The plan with codebooks of embedding tables and of some layers."""
    progress.start("fit codebooks", None)
    rounded = refine(draft, layers, moments, bits)
    wish, target, weights = draft.task.recipe.codebook, draft.task.target, dict(rounded.weights)
    weights.update({key: embedding_codebook(node, target, wish, bits[key]) for key, node in draft.tables.items() if key in bits})
    return rounded.with_weights(weights)


def plainly(plan: Plan) -> Plan:
    """The plan with the same integers, stored as they are."""
    return plan.with_weights({key: weight.plain for key, weight in plan.weights.items()})


def _candidates(draft: Draft) -> list[StorableWeight]:
    """Every weight once; the first of the nodes that share one stands for all."""
    found: dict[str, StorableWeight] = {}
    for one in draft.layers:
        channels = one.layer.groups * one.layer.outputs
        found.setdefault(one.weight, StorableWeight(one.key, one.layer.node, channels * one.layer.columns, channels))
    for key, node in draft.tables.items():
        rows, columns = _table(node).shape
        found.setdefault(key, StorableWeight(key, str(node.name), rows * columns, columns))
    return list(found.values())


def _allocated(
    draft: Draft, candidates: list[StorableWeight], data: Dataset | None, files: FileSizes, progress: Progress
) -> dict[str, int]:
    """Bits of each weight within the recipe's budget. A weight that gets 8 stays as it is."""
    wish, keys = draft.task.recipe.codebook, {one.key for one in candidates}
    rows: dict[str, F32] = {}
    back: dict[str, Callable[[F32], F32]] = {}
    for one in draft.layers:
        if one.key in keys:
            rows[one.key] = one.rows()
            back[one.key] = partial(_back, one.layer)
    for key, node in draft.tables.items():
        rows[key] = _table(node).T[None]
        back[key] = lambda changed: np.ascontiguousarray(changed[0].T)
    shares = {one.key: distortions(rows[one.key], BITS) for one in candidates}
    costs = dict.fromkeys(keys, 1.0)
    if data is not None:
        damage = output_damage(draft.model, {key: back[key](probe(rows[key])) for key in sorted(keys)}, data, progress)
        costs = {key: damage[key] / max(shares[key][PROBE_BITS], 1e-12) for key in keys}
    choices = {one.key: choices_of(one, wish, shares[one.key], costs[one.key]) for one in candidates}
    plain = sum(one.size for one in candidates)
    if wish.bits_avg is not None:
        budget = wish.bits_avg / 8 * plain
    else:
        rest = files.of_plan(draft.plan) - plain + METADATA_BYTES + METADATA_BYTES_A_NODE * sum(1 for _ in nodes(draft.model))
        budget = (wish.size_budget or 1.0) * files.float_bytes - rest
    return {key: width for key, width in allocate(choices, budget).items() if width < 8}


def _table(node: ir.Node) -> F32:
    return np.asarray(constant(node.inputs[0]), np.float32)


def _back(layer: Layer, rows: F32) -> F32:
    return np.asarray(layer.from_rows(rows), np.float32)


def probe(rows: F32) -> F32:
    """rows [G, C, K] at PROBE_BITS, each row scaled alike."""
    spread = np.sqrt(np.square(rows).mean(-1, keepdims=True))
    scaled = (rows / np.where(spread > 0, spread, 1)).astype(np.float32)
    few = scaled.reshape(-1)[:: max(1, scaled.size // SKETCH)]
    table = cluster(few, None, 2**PROBE_BITS)
    nearest = np.searchsorted((table[:-1] + table[1:]) / 2, scaled)
    return np.asarray(table[nearest] * spread, np.float32)


def choices_of(one: StorableWeight, wish: CodebookWish, shares: Mapping[int, float], cost: float) -> list[Choice]:
    """What a weight can be stored as: codebooks that save something, and as it is."""
    found = [
        Choice(bits, codebook_bytes(one.size, bits, wish.grain, one.channels, one.item) + NODES_BYTES, cost * shares[bits])
        for bits in BITS
        if bits < 8 and one.saves(bits, wish.grain)
    ]
    return [*found, Choice(8, one.size * one.item, cost * shares[8] if one.item == 1 else 0.0)]
