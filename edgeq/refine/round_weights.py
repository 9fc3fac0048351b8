"""Round weights with data: each layer apart, or in sequence on the integer model's outputs."""

from __future__ import annotations

from edgeq.data.dataset import Dataset
from edgeq.progress import Clock, Progress
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.draft import Draft
from edgeq.refine.round_apart import moments_of, round_apart
from edgeq.refine.round_in_sequence import fit_in_sequence, held_samples, in_sequence
from edgeq.schema.task import Planned


def round_weights(draft: Draft, data: Dataset, clock: Clock, progress: Progress) -> Planned:
    """The draft's plan with rounded weights and corrected biases, and the steps towards it."""
    late = in_sequence(draft.model, draft.layers) if draft.task.recipe.rounds_in_sequence and held_samples(draft.model, data) else ()
    early = tuple(one for one in draft.layers if one not in late)
    with clock.stage("calibrate"):
        moments = moments_of(draft, early, data, progress) if early else {}
    with clock.stage("plan"):
        progress.start("round weights", None)
        rounded = draft.with_plan(round_apart(draft, early, moments))
        if late:
            fitted = fit_in_sequence(rounded, late, {}, draft.emulated, data, progress)
            return Planned(fitted.plan, fitted.draft, (("rounding in sequence", fitted.plan),))
        corrected = correct_biases(rounded, draft.layers, draft.emulated, data, progress)
        return Planned(corrected, rounded.plan, (("data-aware rounding", rounded.plan), ("bias correction", corrected)))
