"""Run a model step by step on samples in memory: each step continues after the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from edgeq.calibration.memory import return_freed_memory
from edgeq.calibration.value_sizes import value_sizes
from edgeq.engines.current import current_engine
from edgeq.graph.liveness import part_bytes, part_of, reads
from edgeq.graph.read import is_op
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import open_session

#: bytes of values after which freed memory is given back
LARGE = 1 << 24
#: runs that read fewer bytes are too short for threads
SMALL = 1 << 16


class Stepwise:
    """A model, and the values that its next steps need for every sample.

    Only the main graph is stepped through. Optimizations are off: Quantize, Dequantize and float
    kernels do what the file says, even where integers and floats meet.
    """

    def __init__(
        self,
        model: ir.Model,
        samples: Sequence[Mapping[str, AnyArray]],
        held: Mapping[ir.Node, ir.Value] = MappingProxyType({}),
        due: Sequence[ir.Node] = (),
    ) -> None:
        """Start before the first node.

        samples: the feeds of each run. held: node -> a value that is kept until the node has run,
        although the node does not read it. due: the nodes that the caller advances to, in this
        order, if it neither reaches for values nor writes into arrays: as many as have small
        outputs run at once, which takes far less time than one by one.
        """
        self._model, self._count = model, len(samples)
        #: the nodes that did not run yet, with their places in the graph
        self._ahead, self._held = {node: place for place, node in enumerate(model.graph)}, held
        #: value name -> how many nodes ahead need it
        self._needs = Counter(name for node in self._ahead for name in self._names(node))
        inputs = [str(value.name) for value in model.graph.inputs]
        self._alive: dict[str, list[AnyArray]] = {name: [np.asarray(feeds[name]) for feeds in samples] for name in inputs}
        self._due, self._places = tuple(due), {node: place for place, node in enumerate(due)}
        self._sizes = value_sizes(model, map(_result, due), samples[0]) if due else {}
        #: outputs of nodes that ran before the caller came to them
        self._ready: dict[ir.Node, list[AnyArray]] = {}
        self._pool = ThreadPoolExecutor(current_engine().threads)

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
        if node in self._ready:
            return self._ready.pop(node)
        together = self._together(node)
        segment = self._needed(together)
        for one in segment:
            del self._ahead[one]
            self._needs.subtract(self._names(one))
        results = {_result(one) for one in together}
        made = [str(value.name) for one in segment for value in one.outputs if self._needs[str(value.name)] or value.name in results]
        read = {str(value.name) for one in segment for value in reads(one)}
        found = self._run(segment, [name for name in self._alive if name in read], made)
        self._alive = {name: arrays for name, arrays in (self._alive | found).items() if self._needs[name]}
        self._ready = {one: found[_result(one)] for one in together}
        return self._ready.pop(node)

    def _together(self, node: ir.Node) -> list[ir.Node]:
        """The node, and those due after it whose outputs are small enough to wait in memory."""
        if node not in self._places:
            return [node]
        found, left = [node], LARGE // max(self._count, 1) - self._sizes[_result(node)]
        for place in range(self._places[node] + 1, len(self._due)):
            other = self._due[place]
            left -= self._sizes[_result(other)]
            if left < 0:
                break
            found.append(other)
        return found

    def _names(self, node: ir.Node) -> set[str]:
        """The names of the values that must be there until the node has run."""
        return {str(value.name) for value in (*reads(node), *self._also(node))}

    def _also(self, node: ir.Node) -> tuple[ir.Value, ...]:
        return (self._held[node],) if node in self._held else ()

    def _needed(self, together: Sequence[ir.Node]) -> list[ir.Node]:
        """These nodes and those that they depend on and that did not run yet, in graph order."""
        needed, waiting = set(together), list(together)
        while waiting:
            for value in reads(waiting.pop()):
                maker = value.producer()
                if maker in self._ahead and maker is not None and maker not in needed:
                    needed.add(maker)
                    waiting.append(maker)
        return sorted(needed, key=self._ahead.__getitem__)

    def _run(self, segment: list[ir.Node], fed: list[str], wanted: list[str]) -> dict[str, list[AnyArray]]:
        weights = self._weights(segment, wanted) if self._count > 1 else {}
        rest = [node for node in segment if node.outputs[0].name not in weights]
        examples = {name: self._alive[name][0] for name in fed} | weights
        with open_session(self._part(rest, examples, wanted), threads=1, optimize="off", arena=False) as session:
            feeds = [{name: self._alive[name][index] for name in fed} for index in range(self._count)]
            # handing tiny arrays to another thread takes longer than their run
            small = sum(array.nbytes for array in feeds[0].values()) < SMALL if feeds else True
            rows = list((map if small else self._pool.map)(lambda one: session.run(one | weights, wanted), feeds))
        if sum(array.nbytes for row in rows for array in row) > LARGE:
            return_freed_memory()
        return {name: [row[place] for row in rows] for place, name in enumerate(wanted)}

    def _weights(self, segment: list[ir.Node], wanted: Container[str]) -> dict[str, AnyArray]:
        """What Dequantize makes of constants, once for all samples instead of once for each."""
        found = [node for node in segment if is_op(node, "DequantizeLinear") and str(node.outputs[0].name) not in wanted]
        found = [node for node in found if all(value.is_initializer() and value.graph is self._model.graph for value in reads(node))]
        names = [_result(node) for node in found]
        if not names:
            return {}
        with open_session(self._part(found, {}, names), threads=1, optimize="off", arena=False) as session:
            return dict(zip(names, session.run({}, names), strict=True))

    def _part(self, segment: list[ir.Node], fed: Mapping[str, AnyArray], wanted: list[str]) -> ir.Model | bytes:
        found = part_bytes(self._model, segment, fed, wanted, LARGE)
        if found is not None:
            return found
        part = part_of(self._model, segment, fed, wanted)
        for value in part.graph.inputs:
            example = fed[str(value.name)]
            value.type, value.shape = ir.TensorType(ir.DataType.from_numpy(example.dtype)), ir.Shape([None] * example.ndim)
        return part


def _result(node: ir.Node) -> str:
    """The name of a node's first output."""
    return str(node.outputs[0].name)
