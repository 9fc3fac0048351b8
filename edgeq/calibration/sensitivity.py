"""Measure what an error in one weight does to the model's outputs, on a few samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.graph.edit import Names, add_constant
from edgeq.graph.read import owner
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.progress import Progress
from edgeq.runtimes.ort import open_session
from edgeq.schema.weights import split_weight_key

#: samples that are enough to rank layers
SAMPLES = 16


def output_damage(model: ir.Model, changed: Mapping[str, F32], data: Dataset, progress: Progress) -> dict[str, float]:
    """The error of the model's outputs when one weight is replaced, for each weight in `changed`.

    changed: "node:input index" -> the new array. The result is, by the same keys, the error's share
    of the energy of an output, averaged over the outputs.
    """
    progress.start("sensitivity", len(changed))
    feeds = [batch.feeds for batch in data.batches(1, 0, min(SAMPLES, data.count))] if data.fixed_batch is None else []
    feeds = feeds or [next(iter(data.batches(1, 0, data.fixed_batch or 1))).feeds]
    wanted = _run(model, feeds)
    found = {}
    for key, array in changed.items():
        found[key] = _distance(wanted, _run(_with(model, key, array), feeds))
        progress.advance()
    return found


def _with(model: ir.Model, key: str, array: F32) -> ir.Model:
    copy = model.clone()
    name, index = split_weight_key(key)
    node = next(node for node in copy.graph.all_nodes() if node.name == name)
    node.replace_input_with(index, add_constant(owner(node), array, Names(copy).value("changed")))
    return copy


def _run(model: ir.Model, feeds: Sequence[Mapping[str, AnyArray]]) -> list[list[AnyArray]]:
    with open_session(model) as session:
        return [session.run(one) for one in feeds]


def _distance(wanted: list[list[AnyArray]], got: list[list[AnyArray]]) -> float:
    shares = []
    for place in range(len(wanted[0])):
        pairs = [(np.asarray(w[place], np.float64), np.asarray(g[place], np.float64)) for w, g in zip(wanted, got, strict=True)]
        energy = sum(float(np.square(w).sum()) for w, _ in pairs)
        shares.append(sum(float(np.square(w - g).sum()) for w, g in pairs if w.shape == g.shape) / max(energy, 1e-30))
    return float(np.mean(shares))
