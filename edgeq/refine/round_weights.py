"""Round weights with data: each layer apart, or in sequence on the integer model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.planning.weights import side_of
from edgeq.progress import Progress
from edgeq.refine.draft import Draft, Rounding
from edgeq.refine.gate import Gate, followed
from edgeq.refine.round_apart import sharing
from edgeq.refine.round_owned import measured_and_rounded
from edgeq.refine.round_recurrent import round_recurrent
from edgeq.refine.step_by_step.bias_correction import correct_biases
from edgeq.refine.step_by_step.round_in_sequence import fit_in_sequence, held_samples, in_sequence
from edgeq.refine.weight_fit import requantization_of
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
    if not gate.leads(rounded):
        return Planned(rounded, rounded, tuple(gate.steps))
    if gate.takes(APART, rounded):
        return with_biases(draft.with_plan(rounded), data, gate, progress)
    if gate.doubts:  # each layer's error is lower: with its biases, a plan that is no worse than before is taken
        whole = with_biases(draft.with_plan(rounded), data, gate.opened(), progress)
        if gate.takes(followed(APART), whole.plan):
            return replace(whole, steps=tuple(gate.steps))
    return with_biases(draft, data, gate, progress)


def with_biases(draft: Draft, data: Dataset, gate: Gate, progress: Progress, emulate: Callable[[Plan], ir.Model] | None = None) -> Planned:
    """The draft's plan with corrected biases, if the gate takes them.

    emulate: returns the integer model of a plan; None: the draft's.
    """
    with gate.clock.stage("plan"):
        corrected = correct_biases(draft, draft.layers, emulate or draft.shown, data, progress)
    plan = corrected if gate.takes(BIASES, corrected) else draft.plan
    return Planned(plan, draft.plan, tuple(gate.steps))


def _apart(draft: Draft, layers: tuple[Weighted, ...], data: Dataset, gate: Gate, progress: Progress) -> Plan:
    asked = {_depends_on(users, draft): users for users in sharing(layers, draft.plan)}
    new = {key: users for key, users in asked.items() if key not in draft.roundings}
    plan = measured_and_rounded(draft, [one for users in new.values() for one in users], data, gate.clock, progress)
    with gate.clock.stage("plan"):
        for key, users in new.items():
            biases = {one.layer.node: plan.biases[one.layer.node] for one in users if one.layer.node in plan.biases}
            draft.roundings[key] = Rounding({one.key: plan.weights[one.key] for one in users}, biases)
        plan = _with_roundings(plan, [draft.roundings[key] for key in asked])
    with gate.clock.stage("calibrate"):
        return round_recurrent(draft.with_plan(plan), data, progress)


def _with_roundings(plan: Plan, found: Sequence[Rounding]) -> Plan:
    weights, biases = dict(plan.weights), dict(plan.biases)
    for one in found:
        weights |= one.weights
        biases |= one.biases
    return plan.with_weights(weights).with_biases(biases)


def _depends_on(users: Sequence[Weighted], draft: Draft) -> bytes:
    """A digest of what the rounding of a weight depends on: it, its biases, its inputs' grids.

    What the float model puts into the layers is the same for all drafts of a task but for scales,
    which are in weights and grids too.
    """
    digest = sha256(users[0].rows().tobytes())
    digest.update(repr(requantization_of(users, draft)).encode())
    for one in users:
        side, grid = side_of(one.node, one.kernel, draft.plan.grids), draft.plan.grids.get(one.layer.source)
        known = None if grid is None else (grid.params.dtype, grid.params.scale.tobytes(), grid.params.zero_point.tobytes())
        bias = b"" if side.bias is None else side.bias.tobytes()
        scaled = draft.plan.equalization.get(one.layer.source)
        digest.update(repr((one.key, known, scaled, side.scale, side.least, side.most, bias)).encode())
    return digest.digest()
