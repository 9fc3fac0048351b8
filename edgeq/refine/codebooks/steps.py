"""Decide: the plan with codebooks and number formats; where a size is given, the bits of each layer
by what it costs the output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir

from edgeq.calibration.moments import unit_moments
from edgeq.data.dataset import Dataset
from edgeq.graph.layer import Layer
from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32
from edgeq.numerics.formats.format import Format
from edgeq.progress import Progress
from edgeq.refine.codebooks.budget import ByteBudget, StorableWeight, bits_of
from edgeq.refine.codebooks.fit import embedding_codebook
from edgeq.refine.codebooks.formats import allocated_formats, requested_formats
from edgeq.refine.codebooks.tables import requested_tables, with_tables
from edgeq.refine.draft import Draft
from edgeq.refine.gate import Gate
from edgeq.refine.round_apart import Together, round_apart, sharing
from edgeq.refine.round_owned import measured_and_rounded
from edgeq.refine.round_weights import with_biases
from edgeq.refine.step_by_step.round_in_sequence import fit_in_sequence, held_samples, in_sequence
from edgeq.refine.weight_fit import Small
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned

#: what is written into a file beside the graph, bytes: hashes, and a line for each node
METADATA_BYTES, METADATA_BYTES_A_NODE = 600, 100
#: the name of the step that fits codebooks
STEP = "codebooks"
#: and of the one that brings weights into number formats
FORMATS = "number formats"


@dataclass(frozen=True)
class FileSizes:
    """Bytes: of the float file, and of the file that a plan gives."""

    float_bytes: int
    of_plan: Callable[[Plan], int]


def plan_codebooks(draft: Draft, data: Dataset, files: FileSizes, gate: Gate, progress: Progress) -> Planned:
    """The draft's plan with codebooks as the recipe requests: fitted in sequence where layers can
    be, the others to what the float model passes to them.

    Codebooks are taken whatever the gate would say, since they were asked for.
    """
    late = in_sequence(draft.model, draft.layers) if held_samples(draft.model, data) else ()
    early = tuple(one for one in draft.layers if one not in late)

    def plain(one: Plan) -> ir.Model:
        """The numbers are the same without codebooks, and sooner there."""
        return draft.emulated(plainly(one))

    with gate.clock.stage("plan"):
        small = _small(draft, data, files, progress)
    apart = measured_and_rounded(draft, early, data, gate.clock, progress, small)
    with gate.clock.stage("plan"):
        rounded = draft.with_plan(_with_tables(draft, apart, small, progress))
        if late:
            fitted = fit_in_sequence(rounded, late, small, plain, data, progress)
            gate.add(_step(small), fitted.plan)
            return Planned(fitted.plan, fitted.draft, tuple(gate.steps))
    gate.add(_step(small), rounded.plan)
    return with_biases(rounded, data, gate, progress, plain)


def unmeasured_codebooks(draft: Draft, data: Dataset | None, files: FileSizes, gate: Gate, progress: Progress) -> Planned:
    """The draft's plan with codebooks for which all inputs of a layer count alike."""
    small = _small(draft, data, files, progress)
    groups = sharing(draft.layers, draft.plan)
    units = unit_moments([[one.layer for one in users] for users in groups])
    apart = round_apart(draft, [Together(users, moment) for users, moment in zip(groups, units, strict=True)], small)
    found = _with_tables(draft, apart, small, progress)
    gate.add(_step(small), found)
    return Planned(found, found, tuple(gate.steps))


def _step(small: Mapping[str, Small]) -> str:
    """The name of the step that these weights are fitted in."""
    return FORMATS if any(isinstance(one, Format) for one in small.values()) else STEP


def _small(draft: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> dict[str, Small]:
    """Key of a weight -> how it is stored, as the recipe requests; formats win over codebooks."""
    wish = draft.task.recipe.weight_format
    if wish.allocated:
        return allocated_formats(draft, _budget(draft, files), data, progress)
    formats = requested_formats(draft.model, draft.layers, wish)
    bits = _bits(draft, data, files, progress) if draft.task.recipe.codebook.wanted else {}
    tables = requested_tables(draft.model, draft.tables, wish, draft.task.target)
    return {**bits, **formats, **tables}


def _bits(draft: Draft, data: Dataset | None, files: FileSizes, progress: Progress) -> dict[str, int]:
    """Key of a weight -> bits of its codebook's index, as the recipe requests."""
    codebook, candidates = draft.task.recipe.codebook, _candidates(draft)
    return bits_of(draft.model, candidates, codebook, _budget(draft, files), data, progress)


def _budget(draft: Draft, files: FileSizes) -> ByteBudget:
    metadata = METADATA_BYTES + METADATA_BYTES_A_NODE * sum(1 for _ in nodes(draft.model))
    return ByteBudget(files.float_bytes, lambda plain: files.of_plan(draft.plan) - plain + metadata)


def _with_tables(draft: Draft, rounded: Plan, small: Mapping[str, Small], progress: Progress) -> Plan:
    """The plan with rounded layers, and with embedding tables as codebooks or in number formats."""
    progress.start(f"fit {_step(small)}", None)
    bits = {key: one for key, one in small.items() if isinstance(one, int)}
    task, weights = draft.task, dict(rounded.weights)
    weights.update({key: embedding_codebook(node, task, bits[key]) for key, node in draft.tables.items() if key in bits})
    forms = {key: one for key, one in small.items() if isinstance(one, Format) and key in draft.tables}
    return with_tables(rounded.with_weights(weights), draft.tables, forms, task.target)


def plainly(plan: Plan) -> Plan:
    """The plan with the same integers, stored as they are."""
    return plan.with_weights({key: weight.plain for key, weight in plan.weights.items()})


def _candidates(draft: Draft) -> list[StorableWeight]:
    """Every weight once; the first of the nodes that share one stands for all."""
    found: dict[str, StorableWeight] = {}
    for one in draft.layers:
        channels = one.layer.groups * one.layer.outputs
        size = channels * one.layer.columns
        found.setdefault(one.weight, StorableWeight(one.key, one.layer.node, size, channels, one.rows, partial(_back, one.layer)))
    for key, node in draft.tables.items():
        rows, columns = _table(node).shape
        found.setdefault(key, StorableWeight(key, str(node.name), rows * columns, columns, partial(_columns, node), _as_table))
    return list(found.values())


def _columns(node: ir.Node) -> F32:
    """The embedding table that a Gather reads, its columns as rows [1, columns, rows]."""
    return _table(node).T[None]


def _as_table(rows: F32) -> F32:
    return np.ascontiguousarray(rows[0].T)


def _table(node: ir.Node) -> F32:
    return np.asarray(constant(node.inputs[0]), np.float32)


def _back(layer: Layer, rows: F32) -> F32:
    return np.asarray(layer.from_rows(rows), np.float32)
