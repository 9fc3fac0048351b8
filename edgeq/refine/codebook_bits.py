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
from edgeq.planning.embeddings import is_embedding
from edgeq.progress import Clock, Progress
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.codebooks import StorableWeight, embedding_codebook, wished_bits
from edgeq.refine.round_apart import Weighted, moments_of, refine
from edgeq.refine.round_in_sequence import Fitting, fit_in_sequence, held_samples, in_sequence
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.plan import Plan
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import Target
from edgeq.schema.weights import weight_key

#: what is written into a file beside the graph, bytes: hashes, and a line for each node
METADATA_BYTES, METADATA_BYTES_A_NODE = 600, 100
#: the width that sensitivity is measured at: coarse enough to rise above what is lost anyway
PROBE_BITS = 3


@dataclass(frozen=True)
class FileSizes:
    """Bytes: of the float file, and of the file that a plan gives."""

    float_bytes: int
    of_plan: Callable[[Plan], int]


@dataclass(frozen=True)
class Draft:
    """What is known before codebooks are chosen."""

    model: ir.Model
    target: Target
    recipe: Recipe
    plan: Plan
    layers: tuple[Weighted, ...]

    def tables(self) -> dict[str, ir.Node]:
        """Key of the weight -> the Gather that reads an embedding table."""
        return {key: n for n in nodes(self.model) if (key := weight_key(n.name, 0)) in self.plan.weights and is_embedding(n)}


def plan_codebooks(
    given: Draft, data: Dataset, files: FileSizes, emulate: Callable[[Plan], ir.Model], clock: Clock, progress: Progress
) -> Plan:
    """The plan with codebooks as the recipe wishes: fitted in sequence where layers can be, the
    others to what the float model hands them.

    emulate: the integer model of a plan.
    """
    model, plan, recipe = given.model, given.plan, given.recipe
    late = in_sequence(model, given.layers) if held_samples(model, data) else ()
    early = tuple(one for one in given.layers if one not in late)
    with clock.stage("calibrate"):
        moments = moments_of(model, plan, early, data, recipe.seed, progress) if early else {}
    with clock.stage("plan"):
        bits = _bits(given, data, files, progress)
        rounded = _fit(given, early, bits, moments, progress)

        def plain(one: Plan) -> ir.Model:
            """The numbers are the same without codebooks, and sooner there."""
            return emulate(plainly(one))

        if not late:
            return correct_biases(model, rounded, given.layers, plain, data, progress)
        return fit_in_sequence(model, rounded, given.layers, Fitting(late, bits, given.target, recipe), plain, data, progress)


def unmeasured_codebooks(given: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> Plan:
    """The plan with codebooks for which all inputs of a layer count alike."""
    bits = _bits(given, data, files, progress)
    return _fit(given, given.layers, bits, unit_moments([one.layer for one in given.layers]), progress)


def _bits(given: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> dict[str, int]:
    """Key of a weight -> bits of its codebook's index, as the recipe wishes."""
    tables, wish = given.tables(), given.recipe.codebook
    candidates = _candidates(given, tables)
    bits = wished_bits(given.model, candidates, wish)
    if not wish.allocated:
        return bits
    fixed = {key: width for key, width in bits.items() if wish.layers}
    return fixed | _allocated(given, tables, [one for one in candidates if one.key not in fixed], data, files, progress)


def _fit(given: Draft, layers: tuple[Weighted, ...], bits: Mapping[str, int], moments: Mapping[str, Moment], progress: Progress) -> Plan:
    """The plan with codebooks of embedding tables and of some layers."""
    progress.start("fit codebooks", None)
    rounded = refine(given.plan, layers, moments, given.target, given.recipe, bits)
    wish, weights = given.recipe.codebook, dict(rounded.weights)
    weights.update({key: embedding_codebook(node, given.target, wish, bits[key]) for key, node in given.tables().items() if key in bits})
    return rounded.with_weights(weights)


def plainly(plan: Plan) -> Plan:
    """The plan with the same integers, stored as they are."""
    return plan.with_weights({key: weight.plain for key, weight in plan.weights.items()})


def _candidates(given: Draft, tables: Mapping[str, ir.Node]) -> list[StorableWeight]:
    """Every weight once; the first of the nodes that share one stands for all."""
    found: dict[str, StorableWeight] = {}
    for one in given.layers:
        channels = one.layer.groups * one.layer.outputs
        found.setdefault(one.weight, StorableWeight(one.key, one.layer.node, channels * one.layer.columns, channels))
    for key, node in tables.items():
        rows, columns = _table(node).shape
        found.setdefault(key, StorableWeight(key, str(node.name), rows * columns, columns))
    return list(found.values())


def _allocated(
    given: Draft,
    tables: Mapping[str, ir.Node],
    candidates: list[StorableWeight],
    data: Dataset | None,
    files: FileSizes,
    progress: Progress,
) -> dict[str, int]:
    """Bits of each weight within the recipe's budget. A weight that gets 8 stays as it is."""
    wish, keys = given.recipe.codebook, {one.key for one in candidates}
    rows: dict[str, F32] = {}
    back: dict[str, Callable[[F32], F32]] = {}
    for one in given.layers:
        if one.key in keys:
            array = np.asarray(constant(one.node.inputs[one.kernel.weight or 1]), np.float32)
            rows[one.key] = one.layer.weight_rows(array)
            back[one.key] = partial(_back, one.layer)
    for key, node in tables.items():
        rows[key] = _table(node).T[None]
        back[key] = lambda changed: np.ascontiguousarray(changed[0].T)
    shares = {one.key: distortions(rows[one.key], BITS) for one in candidates}
    costs = dict.fromkeys(keys, 1.0)
    if data is not None:
        damage = output_damage(given.model, {key: back[key](probe(rows[key])) for key in sorted(keys)}, data, progress)
        costs = {key: damage[key] / max(shares[key][PROBE_BITS], 1e-12) for key in keys}
    choices = {one.key: choices_of(one, wish, shares[one.key], costs[one.key]) for one in candidates}
    plain = sum(one.size for one in candidates)
    if wish.bits_avg is not None:
        budget = wish.bits_avg / 8 * plain
    else:
        rest = files.of_plan(given.plan) - plain + METADATA_BYTES + METADATA_BYTES_A_NODE * sum(1 for _ in nodes(given.model))
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
