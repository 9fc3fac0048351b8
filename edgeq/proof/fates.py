"""Settle the fate of every node of a model: its own kernel, part of another's kernel, or gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from edgeq.graph.read import nodes, operator_of
from edgeq.proof.read_back import RanKernel, ReadBack
from edgeq.runtimes.optimized_graph import folded_nodes

#: how many vanished nodes are passed in search of the kernel that does a node's work; fused
#: patterns are shorter
_REACH = 64


@dataclass(frozen=True)
class Fate:
    """What became of one node."""

    #: what runs; None: nothing does
    kernel: RanKernel | None
    #: whether the kernel is this node's and not another's
    own: bool
    #: how the node vanished; empty: it did not
    reason: str


def settle(model: ir.Model, found: ReadBack) -> dict[str, Fate]:
    """Node name -> its fate, for every node of the model; node names must be unique."""
    return _Settler(model, found).settle()


class _Settler:
    def __init__(self, model: ir.Model, found: ReadBack) -> None:
        self.nodes = list(nodes(model))
        self.index = {id(node): index for index, node in enumerate(self.nodes)}
        self.kernels, self.fused = dict(found.kernels), dict(found.fused)
        self.folded = folded_nodes(model)

    def settle(self) -> dict[str, Fate]:
        for index in sorted(self.kernels):
            self._give_back(index)
        return {str(node.name): self._fate(index, node) for index, node in enumerate(self.nodes)}

    def _give_back(self, index: int) -> None:
        """Give a kernel that was found by its last value alone to the node of its own type.

        The kernel of Conv and Relu, for example, outputs the Relu's value, but belongs to the Conv.
        """
        kernel = self.kernels[index]
        if kernel.op_type == self.nodes[index].op_type:
            return
        passed, at = [index], index
        for _ in range(4):
            at = next(self._producers(at), -1)
            if at < 0 or at in self.kernels or at in self.fused:
                return
            if self.nodes[at].op_type == kernel.op_type:
                self.kernels[at] = self.kernels.pop(index)
                self.fused.update(dict.fromkeys(passed, at))
                return
            passed.append(at)

    def _fate(self, index: int, node: ir.Node) -> Fate:
        if index in self.kernels:
            return Fate(self.kernels[index], True, "")
        home = self.fused.get(index)
        if home is None:
            if node in self.folded:
                return Fate(None, False, "a constant, folded")
            home = self._home(index)
        if home is None:
            return Fate(None, False, "removed: onnxruntime needs no kernel for it")
        kernel = self.kernels[home]
        return Fate(kernel, False, f"fused into {self.nodes[home].name} ({kernel.op_type})")

    def _home(self, index: int) -> int | None:
        first, second = self._readers, self._producers
        if operator_of(self.nodes[index]).joins_before:
            first, second = second, first
        found = self._search(index, first)
        return self._search(index, second) if found is None else found

    def _search(self, start: int, step: Callable[[int], Iterator[int]]) -> int | None:
        seen, queue = {start}, [start]
        while queue and len(seen) < _REACH:
            for index in step(queue.pop(0)):
                home = index if index in self.kernels else self.fused.get(index)
                if home is not None and self.kernels[home].runs != "conversion":
                    return home
                if index not in seen and home is None:
                    seen.add(index)
                    queue.append(index)
        return None

    def _producers(self, index: int) -> Iterator[int]:
        for value in self.nodes[index].inputs[:1]:
            if value is not None and id(value.producer()) in self.index:
                yield self.index[id(value.producer())]

    def _readers(self, index: int) -> Iterator[int]:
        for value in self.nodes[index].outputs:
            yield from sorted(self.index[id(use.node)] for use in value.uses())
