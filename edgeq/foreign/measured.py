"""Measure the grids of values that a model of another tool left in float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeq.foreign.samples import Samples
from edgeq.graph.expose import expose
from edgeq.integers.coded_inputs import coded
from edgeq.numerics.grid import QuantParams, grid_for_range
from edgeq.passes.foreign.give_grids import without_grid
from edgeq.progress import Progress
from edgeq.runtimes.ort import open_session
from edgeq.schema.target import Target


def measured_grids(model: ir.Model, samples: Samples, target: Target, progress: Progress) -> dict[str, QuantParams]:
    """Name of each value without a grid -> the grid that spans its smallest and largest number.

    model: as the passes left it, one sample a run. Range rule minmax: the tool that made the model
    decided the other ranges, and nothing is known that a clipped range should be weighed against.
    """
    values = without_grid(model)
    ranges = {str(value.name): (0.0, 0.0) for value in values}
    inner = [str(value.name) for value in values if not value.is_graph_input()]
    exposed, names = expose(model, inner)
    progress.start("measure grids", samples.dataset.count)
    with open_session(exposed, optimize="off", arena=False) as session:
        for piece in samples.dataset.batches(1):
            feeds = coded(model, piece.feeds)
            found = dict(zip(names, session.run(feeds, list(names.values())), strict=True)) if names else {}
            for name, array in {**feeds, **found}.items():
                if name in ranges and array.size:
                    low, high = ranges[name]
                    ranges[name] = min(low, float(np.min(array))), max(high, float(np.max(array)))
            progress.advance(len(piece.samples))
    return {name: grid_for_range(low, high, target.activations.dtype) for name, (low, high) in ranges.items()}
