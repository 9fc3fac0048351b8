"""The public function materialize: plain weights in place of stored codebooks and formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.graph.read import graphs
from edgeq.io.endings import FLOAT, check_ending
from edgeq.io.model_source import ModelSource, load
from edgeq.io.run_files import files_read, watched
from edgeq.io.save import save_model
from edgeq.io.writing.card import Card, Facts
from edgeq.passes.store.materialize import Materialize
from edgeq.runtimes.judged import accepted, judged


@dataclass(frozen=True, eq=False, repr=False)
class Materialized(Card):
    """A model whose weights are stored as they are."""

    #: the model
    model: ir.Model
    #: number of weights that were computed; 0: it held no codebooks
    weights: int
    #: the files that were read
    inputs: tuple[Path, ...] = ()

    def facts(self) -> Facts:
        """What a line and a table show."""
        return Facts("", (("weights computed", str(self.weights)),))

    def save(self, path: str | Path, *, force: bool = False) -> tuple[Path, ...]:
        """Write the model; returns the files. Raises BadOutput."""
        check_ending(Path(path), FLOAT)
        return save_model(self.model, Path(path), force=force, inputs=self.inputs)


@watched
def materialize(model: ModelSource) -> Materialized:
    """Compute the weights that are stored as codebooks, bit-identical to what onnxruntime computes.

    Raises BadModel.

    >>> import edgeq
    >>> from edgeq.data.shipped import shipped_model
    >>> stored = edgeq.palettize(shipped_model("digits"), recipe={"codebook": {"bits": 4}})
    >>> edgeq.materialize(stored.model)
    Materialized(weights computed 7)
    """
    loaded = load(model, quantized=True)
    own = loaded.model.clone()
    before = {name for graph in graphs(own) for name in graph.initializers}
    with judged(loaded.model):
        Materialize()(own)
    made = sum(name not in before for graph in graphs(own) for name in graph.initializers)
    if made:  # sizes that a codebook hides until its weight is computed may contradict the others
        accepted(own)
    return Materialized(own, made, files_read(loaded.path))
