"""Run a model step by step on samples in memory: each step continues after the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from edgeq.calibration.each_run import WORKERS
from edgeq.calibration.memory import return_freed_memory
from edgeq.graph.liveness import part_of, reads
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session

#: bytes of values after which freed memory is given back
LARGE = 1 << 24


class Stepwise:
    """A model, and the values that its next steps need for every sample.

    Only the main graph is stepped through. Optimizations are off: Quantize, Dequantize and float
    kernels do what the file says, even where integers and floats meet.
    """

    def __init__(
        self, model: ir.Model, samples: Sequence[Mapping[str, AnyArray]], held: Mapping[ir.Node, ir.Value] = MappingProxyType({})
    ) -> None:
        """Start before the first node.

        samples: the feeds of each run. held: node -> a value that is kept until the node has run,
        although the node does not read it.
        """
        self._model, self._count = model, len(samples)
        #: the nodes that did not run yet, with their places in the graph
        self._ahead, self._held = {node: place for place, node in enumerate(model.graph)}, held
        #: value name -> how many nodes ahead need it
        self._needs = Counter(name for node in self._ahead for name in self._names(node))
        inputs = [str(value.name) for value in model.graph.inputs]
        self._alive: dict[str, list[AnyArray]] = {name: [np.asarray(feeds[name]) for feeds in samples] for name in inputs}

    def reach(self, value: ir.Value) -> list[AnyArray]:
        """The value for every sample, computed now unless an earlier step already kept it."""
        if str(value.name) not in self._alive:
            maker = value.producer()
            assert maker is not None
            made = self.advance(maker)
            if value is maker.outputs[0]:
                return made
        return self._alive[str(value.name)]

    def advance(self, node: ir.Node) -> list[AnyArray]:
        """Run this node and what it needs; returns its first output for every sample.

        The node must not have run yet. What the caller writes into the arrays is what later steps
        read.
        """
        segment = self._needed(node)
        for one in segment:
            del self._ahead[one]
            self._needs.subtract(self._names(one))
        result = str(node.outputs[0].name)
        made = [str(value.name) for one in segment for value in one.outputs if self._needs[str(value.name)] or value.name == result]
        read = {str(value.name) for one in segment for value in reads(one)}
        found = self._run(segment, [name for name in self._alive if name in read], made)
        self._alive = {name: arrays for name, arrays in (self._alive | found).items() if self._needs[name]}
        return found[result]

    def _names(self, node: ir.Node) -> set[str]:
        """The names of the values that must be there until the node has run."""
        return {str(value.name) for value in (*reads(node), *self._also(node))}

    def _also(self, node: ir.Node) -> tuple[ir.Value, ...]:
        return (self._held[node],) if node in self._held else ()

    def _needed(self, node: ir.Node) -> list[ir.Node]:
        """The nodes that `node` depends on and that did not run yet, in graph order.

        `node` itself is included.
        """
        needed, waiting = {node}, [node]
        while waiting:
            for value in reads(waiting.pop()):
                maker = value.producer()
                if maker in self._ahead and maker is not None and maker not in needed:
                    needed.add(maker)
                    waiting.append(maker)
        return sorted(needed, key=self._ahead.__getitem__)

    def _run(self, segment: list[ir.Node], fed: list[str], wanted: list[str]) -> dict[str, list[AnyArray]]:
        part = part_of(self._model, segment, fed, wanted)
        for value in part.graph.inputs:
            example = self._alive[str(value.name)][0]
            value.type, value.shape = ir.TensorType(ir.DataType.from_numpy(example.dtype)), ir.Shape([None] * example.ndim)
        with open_session(part, threads=1, optimize="off", arena=False) as session, ThreadPoolExecutor(WORKERS) as pool:
            feeds = [{name: self._alive[name][index] for name in fed} for index in range(self._count)]
            rows = list(pool.map(lambda one: session.run(one, wanted), feeds))
        if sum(array.nbytes for row in rows for array in row) > LARGE:
            return_freed_memory()
        return {name: [row[place] for row in rows] for place, name in enumerate(wanted)}
