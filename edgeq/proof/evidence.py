"""Collect everything that a run measures on its result in the real runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.io.load import Loaded
from edgeq.progress import Progress
from edgeq.proof.compare import CompareSettings, Comparison, compare_models
from edgeq.proof.latency import Latency, Timing, measure_latency
from edgeq.proof.proof import Proof, prove_placement
from edgeq.rewrite.pipeline import rewrite
from edgeq.runtimes.ort import Optimize
from edgeq.schema.task import Planned, Task

#: seconds for timing both models, enough for a steady median of an edge model
TIMING_S = 2.0


@dataclass(frozen=True)
class Evidence:
    """What was measured in the real runtime; None: it was not asked for."""

    #: which kernel each node runs on
    placement: Proof | None = None
    #: how far the result is from the float model
    comparison: Comparison | None = None
    #: how long both models take
    latency: Latency | None = None
    #: name of each step of the decision, and the SQNR of the weakest output after it, in dB
    steps: tuple[tuple[str, float], ...] = ()


def prove_all(loaded: Loaded, task: Task, planned: Planned, result: ir.Model, dataset: Dataset | None, progress: Progress) -> Evidence:
    """Prove the placement; with data, also measure fidelity after each step and latency.

    When the target belongs to another runtime, onnxruntime only computes the fidelity, without
    fused kernels; `edgeq prove --runtime` asks the runtime itself.
    """
    own = task.target.runtime == "onnxruntime"
    optimize: Optimize = "all" if own else "off"
    placement = None
    if own:
        progress.start("read back what runs", None)
        placement = prove_placement(result, loaded.model)
    if dataset is None:
        return Evidence(placement)
    settings = CompareSettings(batch=task.recipe.batch, optimize=optimize, title="compare the result with float")
    comparison = compare_models(loaded.model, result, dataset, settings, progress=progress)
    steps = []
    for name, plan in planned.steps[:-1]:
        earlier = rewrite(task.model, plan, task.target)
        titled = replace(settings, title=f"compare the model after {name} with float")
        between = compare_models(loaded.model, earlier, dataset, titled, progress=progress)
        steps.append((name, between.weakest.sqnr_db))
    steps.extend((name, comparison.weakest.sqnr_db) for name, _ in planned.steps[-1:])
    if not own:
        return Evidence(None, comparison, None, tuple(steps))
    progress.start("time", None)
    feeds = next(iter(dataset.batches(1, 0, dataset.fixed_batch or 1))).feeds
    latency = measure_latency(loaded.model, result, feeds, timing=Timing(budget_s=TIMING_S))
    return Evidence(placement, comparison, latency, tuple(steps))
