"""Collect everything that a run measures on its result in the real runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import onnx_ir as ir

from edgeq.calibration.memory import return_freed_memory
from edgeq.calibration.pairs.known_outputs import KnownOutputs
from edgeq.data.roles import Roles
from edgeq.integers.reading.open_file import RanBy
from edgeq.io.load import Loaded
from edgeq.progress import Progress
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.latency import Latency, Timing, Untimed, measure_latency
from edgeq.proof.made_for import untimed
from edgeq.proof.proof import Proof, prove_placement
from edgeq.proof.written import Form, compare_written, written_form
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import Optimize
from edgeq.schema.task import Planned, Step, Task

#: held-out samples that are closer to float than those fitted to by more than this, in dB, were
#: lucky: they had none of the few samples that carry most of the noise. Elsewhere the two differ by
#: some tenths, and what was fitted to is the closer one
LUCKY_DB = 3.0
#: seconds for timing both models, enough for a steady median of an edge model, and how well that
#: has to be known for less time to do
TIMING_S, CLOSE = 0.5, 0.01


#: why nothing was compared with float. no_data: there was none to compare on, as with statistics
#: or a plan alone. not_asked: the user left the proof out
Uncompared = Literal["no_data", "not_asked"]


@dataclass(frozen=True)
class Evidence:
    """What was measured in the real runtime; None: it was not asked for."""

    #: why there is no comparison; None: there is one
    uncompared: Uncompared | None = None
    #: which kernel each node runs on
    placement: Proof | None = None
    #: how far the result is from the float model
    comparison: Comparison | None = None
    #: how long both models take
    latency: Latency | None = None
    #: the steps of the decision, all of them measured
    steps: tuple[Step, ...] = ()
    #: how far the result is from float on the samples that it was fitted to; None: these judge it,
    #: or there are none
    calibration: Comparison | None = None
    #: whether the samples that judge are a fifth of the data, held out
    fifth: bool = False
    #: why no time was measured although the models ran; None: it was, or they did not
    untimed: Untimed | None = None
    #: what ran the written .tflite file, which the comparisons are about; None: they are about the
    #: ONNX model
    ran_by: RanBy | None = None

    @property
    def lucky(self) -> bool:
        """Whether held-out samples say too much: those fitted to are worse by LUCKY_DB."""
        if not self.fifth or self.comparison is None or self.calibration is None:
            return False
        return self.comparison.weakest.sqnr_db - self.calibration.weakest.sqnr_db > LUCKY_DB

    @property
    def reported(self) -> Comparison | None:
        """The comparison that a report shows first and floors judge: the worse where lucky."""
        if self.comparison is None or self.calibration is None or not self.lucky:
            return self.comparison
        return replace(self.calibration, accuracy=self.comparison.accuracy)


def prove_all(
    loaded: Loaded,
    task: Task,
    planned: Planned,
    result: ir.Model,
    data: Roles,
    known: KnownOutputs | None,
    progress: Progress,
    form: Form = "onnx",
) -> Evidence:
    """Prove the placement; with data, also measure fidelity and latency, and steps not judged yet.

    known: the float model, on one thread, with its outputs for the samples that judge; the result
    runs on them as each step did: one by one. When the target belongs to another runtime,
    onnxruntime only computes the fidelity, without fused kernels; `edgeq prove --runtime` asks the
    runtime itself. The same holds for the fidelity on a target of another architecture, whose
    speed is not measured. form: tflite where the result is written so; the fidelity is then that of
    the file, in place of the result's.
    """
    own, file = task.target.runtime == "onnxruntime", written_form(result, task) if form == "tflite" else None
    # sums that are exact on the target may saturate in the kernels of another architecture
    optimize: Optimize = "all" if task.target.runs_here else "off"
    placement = None
    if own:
        progress.start("read back what runs", None)
        placement = prove_placement(result, loaded.model)
    if data.judging is None:
        return Evidence("no_data", placement)
    settings = CompareSettings(batch=1, threads=1, optimize=optimize, title="compare the result with float")
    comparison = compare_models(loaded.model, result, data.judging, settings, known=known, progress=progress)
    steps = []
    for step in planned.steps:
        found = comparison if step.plan is planned.plan else None
        if found is None and step.sqnr_db is None:
            titled = replace(settings, title=f"compare the model after {step.name} with float")
            earlier = rewrite(task.model, step.plan, task.target)
            found = compare_models(loaded.model, earlier, data.judging, titled, known=known, progress=progress)
        steps.append(step if found is None else replace(step, sqnr_db=found.weakest.sqnr_db))
    calibration = None
    if data.apart is not None and file is None:
        titled = CompareSettings(batch=task.recipe.batch, optimize=optimize, title="compare on the calibration samples")
        calibration = compare_models(loaded.model, result, data.apart, titled, progress=progress)
    ran_by = None
    if file is not None:
        comparison, ran_by = compare_written(loaded.model, file, data.judging, progress, known=known)
        if data.apart is not None:
            calibration, _ = compare_written(loaded.model, file, data.apart, progress, title="compare on the calibration samples")
    evidence = Evidence(None, placement, comparison, None, tuple(steps), calibration, data.on == "held_out", ran_by=ran_by)
    if not task.target.runs_here:
        return replace(evidence, untimed=untimed(task.target))
    return_freed_memory()  # both sessions are about to keep the memory of their values
    progress.start("time", None)
    feeds = next(iter(data.judging.batches(1, 0, data.judging.fixed_batch or 1))).feeds
    return replace(evidence, latency=measure_latency(loaded.model, result, feeds, timing=Timing(budget_s=TIMING_S, close=CLOSE)))
