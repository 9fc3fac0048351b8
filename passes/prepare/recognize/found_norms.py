"""Find the nodes that compute a normalization, and what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeq.graph.patterns.numpy_forms import reduced_axes
from edgeq.graph.patterns.regions import Region, regions_behind, walk_order
from edgeq.graph.read import constant, dim, is_op, operator_of
from edgeq.numerics.arrays import F64, AnyArray
from edgeq.passes.prepare.recognize.known_norms import KnownNorm, known_norm, samples

#: the largest scale, in elements: it may be a constant that the file did not hold
_MOST_SCALES = 1 << 13
#: sizes of the axes that do not matter for what is computed, and of those that are averaged over
_ANY, _AVERAGED = 2, 7


@dataclass(frozen=True, eq=False)
class FoundNorm:
    """A normalization in a graph."""

    #: its nodes
    region: Region
    norm: KnownNorm
    #: the axes that it averages over, from 0 on
    axes: tuple[int, ...]
    #: number of dimensions
    rank: int
    #: whether its scale differs from channel to channel, and it averages over all axes behind them
    of_instances: bool

    @property
    def operator(self) -> str:
        """What computes it."""
        if self.of_instances:
            return "InstanceNormalization"
        return "RMSNormalization" if self.norm.kind == "rms" else "LayerNormalization"

    @property
    def opset(self) -> int:
        """The first opset that has its operator."""
        if self.of_instances:
            return 6
        return 23 if self.norm.kind == "rms" else 17

    @property
    def scale_shape(self) -> tuple[int, ...]:
        """The shape of scale and shift as the operator takes them."""
        sizes = self.norm.scale.shape
        return (sizes[1],) if self.of_instances else tuple(sizes[axis] for axis in self.axes)

    @property
    def swapped(self) -> bool:
        """Whether the axis that it averages over has to become the last one."""
        return not self.of_instances and self.axes[-1] != self.rank - 1


def opset_for_norms(model: ir.Model, highest: int) -> int:
    """The lowest opset, up to `highest`, that has the operators of all normalizations found."""
    order = walk_order(model)
    found: Iterable[FoundNorm | None] = (norm_that_ends_in(node, order) for node in order) if averages(order) else ()
    return max((norm.opset for norm in found if norm is not None and norm.opset <= highest), default=0)


def averages(nodes: Iterable[ir.Node]) -> bool:
    """Whether any of the nodes averages; a model without one has no normalizations to look for."""
    return any(is_op(node, "ReduceMean") for node in nodes)


def norm_that_ends_in(node: ir.Node, order: Mapping[ir.Node, int]) -> FoundNorm | None:
    """The normalization of most nodes that ends in `node`."""
    best, size, averaged = None, 0, False
    for region in regions_behind(node, _admits, order):
        averaged, size = averaged or averages(region.nodes[size:]), len(region.nodes)
        if averaged and averages(region.removable):
            best = _found(region) or best
    return best


def _admits(node: ir.Node) -> bool:
    floats = len(node.outputs) == 1 and node.outputs[0].dtype == ir.DataType.FLOAT
    return floats and (is_op(node, "ReduceMean") or operator_of(node).elementwise is not None)


def _found(region: Region) -> FoundNorm | None:
    shape = region.source.shape
    numbers = {value: array for value in region.constants if (array := constant(value)) is not None}
    if shape is None or any(array.dtype.kind not in "fi" for array in numbers.values()):
        return None
    rank, means = len(shape), [inner for inner in region.nodes if is_op(inner, "ReduceMean")]
    over = {reduced_axes(mean, rank, constant(mean.inputs[1]) if len(mean.inputs) > 1 else None) for mean in means}
    axes = over.pop()
    if over or axes is None or 2 * len(region.removable) <= len(region.nodes):
        return None
    for of_instances, affine_axes in _forms(axes, rank):
        norm = _fitting(region, axes, affine_axes, numbers)
        if norm is not None and (norm.kind == "layer" or not of_instances):
            return FoundNorm(region, norm, axes, rank, of_instances)
    return None


def _forms(axes: tuple[int, ...], rank: int) -> Iterator[tuple[bool, tuple[int, ...]]]:
    """Whether it is one of instances, and the axes along which its scale would differ."""
    if len(axes) < rank and (len(axes) == 1 or axes == tuple(range(rank - len(axes), rank))):
        yield False, axes
    if rank > 2 and axes == tuple(range(2, rank)):
        yield True, (1,)


def _fitting(region: Region, axes: tuple[int, ...], affine_axes: tuple[int, ...], numbers: Mapping[ir.Value, AnyArray]) -> KnownNorm | None:
    """The normalization that the region computes, with one scale for each place along some axes."""
    wanted = [_AVERAGED if axis in axes else _ANY for axis in range(len(region.source.shape or ()))]
    sizes = [dim(region.source, axis) for axis in affine_axes]
    for axis, size in zip(affine_axes, sizes, strict=True):
        wanted[axis] = size or 0
    if not 0 < np.prod([wanted[axis] for axis in affine_axes]) <= _MOST_SCALES:
        return None
    given = samples(wanted)
    made = [_result(region, x, numbers) for x in given]
    results = [y for y in made if y is not None and y.shape == given[0].shape]
    if len(results) != len(given):
        return None
    small = sorted(
        {float(a.reshape(-1)[0]) for a in numbers.values() if a.size == 1 and a.dtype.kind == "f" and 0 < a.reshape(-1)[0] < 0.1}
    )
    return known_norm(given, results, axes, affine_axes, [*small, 0.0])


def _result(region: Region, x: F64, numbers: Mapping[ir.Value, AnyArray]) -> AnyArray | None:
    try:
        return region.result(x, {value: array.astype(np.float64) if array.dtype.kind == "f" else array for value, array in numbers.items()})
    except ValueError:  # a constant that does not fit the sizes of the samples
        return None
