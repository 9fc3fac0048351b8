"""Round weights with data: each layer apart, or in sequence on the integer model's outputs."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.progress import Progress
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.draft import Draft
from edgeq.refine.gate import Gate
from edgeq.refine.round_apart import moments_of, round_apart
from edgeq.refine.round_in_sequence import fit_in_sequence, held_samples, in_sequence
from edgeq.refine.round_recurrent import round_recurrent
from edgeq.refine.weighted import Weighted
from edgeq.schema.plan import Plan
from edgeq.schema.task import Planned

#: names of the steps that round each layer by itself, that round them in sequence, and of the last
APART, IN_SEQUENCE, BIASES = "data-aware rounding", "rounding in sequence", "bias correction"


def round_weights(draft: Draft, data: Dataset, gate: Gate, progress: Progress) -> Planned:
    """The draft's plan with rounded weights and corrected biases, as far as the gate takes them.

    Weights that in sequence would be worse than rounded to nearest are rounded each apart.
    """
    late = in_sequence(draft.model, draft.layers) if draft.task.recipe.rounds_in_sequence and held_samples(draft.model, data) else ()
    if late:
        early = draft.with_plan(_apart(draft, tuple(one for one in draft.layers if one not in late), data, gate, progress))
        with gate.clock.stage("plan"):
            fitted = fit_in_sequence(early, late, {}, draft.emulated, data, progress)
        if gate.takes(IN_SEQUENCE, fitted.plan):
            return Planned(fitted.plan, fitted.draft, tuple(gate.steps))
    rounded = _apart(draft, draft.layers, data, gate, progress)
    if gate.takes(APART, rounded):
        return with_biases(draft.with_plan(rounded), data, gate, progress)
    doubted = gate.doubts
    planned = with_biases(draft, data, gate, progress)
    return gate.again(APART, with_biases(draft.with_plan(rounded), data, gate.opened(), progress), planned) if doubted else planned


def with_biases(draft: Draft, data: Dataset, gate: Gate, progress: Progress, emulate: Callable[[Plan], ir.Model] | None = None) -> Planned:
    """The draft's plan with corrected biases, if the gate takes them.

    emulate: returns the integer model of a plan; None: the draft's.
    """
    with gate.clock.stage("plan"):
        corrected = correct_biases(draft, draft.layers, emulate or draft.shown, data, progress)
    plan = corrected if gate.takes(BIASES, corrected) else draft.plan
    return Planned(plan, draft.plan, tuple(gate.steps))


def _apart(draft: Draft, layers: tuple[Weighted, ...], data: Dataset, gate: Gate, progress: Progress) -> Plan:
    with gate.clock.stage("calibrate"):
        weighed = moments_of(draft, layers, data, progress) if layers else []
    with gate.clock.stage("plan"):
        progress.start("round weights", None)
        rounded = draft.with_plan(round_apart(draft, weighed))
    with gate.clock.stage("calibrate"):
        return round_recurrent(rounded, data, progress)
