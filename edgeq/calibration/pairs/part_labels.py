"""Tell, for each element of an output, which part of it a Concat took it from."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgeq.calibration.random_outputs import random_outputs
from edgeq.errors import RuntimeRefused
from edgeq.graph.parts import channels_of, labelled, parts_of
from edgeq.graph.patterns.class_outputs import class_outputs
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.output_sums import OutputSums
from edgeq.runtimes.ort import Session, open_session


class PartLabels:
    """The parts of the outputs of a float model, found by running its movement on part numbers.

    That way every operator that moves elements is understood as the runtime understands it.
    """

    def __init__(self, model: ir.Model, threads: int, *, labelled: bool = False) -> None:
        """labelled: whether the data have class labels."""
        self._session, self.names = _opened(model, threads)
        #: axis and number of channels of the outputs that one layer makes
        self.channels = {str(value.name): found for value in model.graph.outputs if (found := channels_of(value)) is not None}
        #: outputs that depend on random numbers, with the node that draws them
        self.random = random_outputs(model)
        #: outputs that are scores of classes, and why
        self.classes = class_outputs(model, labelled=labelled)
        self._known: dict[tuple[object, ...], dict[str, AnyArray]] = {}

    def sums(self, output: str, *, errors_only: bool = False) -> OutputSums:
        """Sums of the output, of its parts, and of the channels of the layer that makes it.

        errors_only: no sums of channels either.
        """
        parts, random = self.names.get(output, ()), self.random.get(output)
        if errors_only:
            return OutputSums(output, parts, random=random, errors_only=True)
        return OutputSums(output, parts, self.channels.get(output), random=random, classes=self.classes.get(output))

    def of(self, feeds: Mapping[str, AnyArray]) -> Mapping[str, AnyArray]:
        """Output name -> the number of the part of each element, in the shape of the output.

        They depend on the shapes of the feeds alone, and are kept for each.
        """
        if self._session is None:
            return {}
        key = tuple((name, array.shape) for name, array in sorted(feeds.items()))
        if key not in self._known:
            wanted = {spec.name for spec in self._session.inputs}
            found = self._session.run({name: array for name, array in feeds.items() if name in wanted})
            self._known[key] = dict(zip(self.names, found, strict=True))
        return self._known[key]


def _opened(model: ir.Model, threads: int) -> tuple[Session | None, Mapping[str, tuple[str, ...]]]:
    """The session and the parts of each output; None: no parts can be told apart."""
    if all(len(parts_of(output)) == 1 for output in model.graph.outputs):
        return None, {}
    copy, names = labelled(model)
    try:
        return (open_session(copy, threads=threads), names) if names else (None, {})
    except RuntimeRefused:  # outputs are then compared as a whole
        return None, {}
