"""Round weights with the data in view: every layer for what the float model hands it, or in
sequence for what the integer model does.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.progress import Clock, Progress
from edgeq.refine.bias_correction import correct_biases
from edgeq.refine.codebook_bits import Draft
from edgeq.refine.round_apart import moments_of, refine
from edgeq.refine.round_in_sequence import Fitting, fit_in_sequence, held_samples, in_sequence
from edgeq.schema.plan import Plan

#: the plan at the end of each step, with the step's name
Steps = tuple[tuple[str, Plan], ...]


def round_weights(given: Draft, data: Dataset, emulate: Callable[[Plan], ir.Model], clock: Clock, progress: Progress) -> tuple[Plan, Steps]:
    """The plan with rounded weights and corrected biases, and the steps to it. emulate: the integer
    model of a plan.
    """
    late = in_sequence(given.model, given.layers) if given.recipe.rounds_in_sequence and held_samples(given.model, data) else ()
    early = tuple(one for one in given.layers if one not in late)
    with clock.stage("calibrate"):
        moments = moments_of(given.model, given.plan, early, data, given.recipe.seed, progress) if early else {}
    with clock.stage("plan"):
        progress.start("round weights", None)
        rounded = refine(given.plan, early, moments, given.target, given.recipe)
        if late:
            fitting = Fitting(late, {}, given.target, given.recipe)
            fitted = fit_in_sequence(given.model, rounded, given.layers, fitting, emulate, data, progress)
            return fitted, (("rounding in sequence", fitted),)
        corrected = correct_biases(given.model, rounded, given.layers, emulate, data, progress)
        return corrected, (("data-aware rounding", rounded), ("bias correction", corrected))
