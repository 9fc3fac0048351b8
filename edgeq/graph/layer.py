"""What is known of a layer with a constant weight: the weight as rows and by channels, and where
the layer's own channels lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray


@dataclass(frozen=True)
class Window:
    """Which places of its input a convolution multiplies one row of its weight with: one number for
    each spatial axis.
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    #: zeros before each axis, then behind each
    pads: tuple[int, ...]
    auto_pad: str = "NOTSET"
    #: of a ConvTranspose, which is a convolution, with strides of 1 and the kernel turned round, of
    #: its input with its numbers so many places apart and zeros between them: only every spread-th
    #: tap of a row meets anything else than zero
    spread: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A Conv, ConvTranspose, Gemm or MatMul with a constant weight, seen as `groups` matrix
    products.
    """

    #: name of the node
    node: str
    #: name of its input
    source: str
    groups: int
    #: shape of one row of the weight: (input channels of the group, *spatial), or (columns,)
    kernel: tuple[int, ...]
    #: output channels of a group: rows of its matrix
    outputs: int
    #: whether the array holds input channels before output channels: ConvTranspose, MatMul, and
    #: Gemm without transB
    inputs_first: bool = False
    #: where the channels lie, in the layer's input as in its output; None: not known
    axis: int | None = None
    #: how many rows one sample's input has, as far as is known before it runs
    positions: int = 1
    #: of a convolution, where rows of its input are to be taken; None: they are the input's own
    window: Window | None = None

    @property
    def columns(self) -> int:
        """Numbers of a row."""
        return math.prod(self.kernel)

    @property
    def in_channels(self) -> int:
        """Input channels of all groups."""
        return self.groups * self.kernel[0]

    @property
    def out_channels(self) -> int:
        """Output channels of all groups."""
        return self.groups * self.outputs

    @property
    def depthwise(self) -> bool:
        """Whether each channel has one input and one output: onnxruntime's kernels for that never
        add neighbours in int16.
        """
        return self.groups > 1 and self.kernel[0] == 1 and self.outputs == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight's array."""
        if self.inputs_first:
            return (self.in_channels, self.outputs, *self.kernel[1:])
        return (self.out_channels, *self.kernel)

    def by_channel(self, weight: AnyArray) -> AnyArray:
        """The weight's array as a view [groups, outputs, input channels of the group, taps]."""
        ends = (self.kernel[0], math.prod(self.kernel[1:]))
        if self.inputs_first:
            return weight.reshape(self.groups, ends[0], self.outputs, ends[1]).swapaxes(1, 2)
        return weight.reshape(self.groups, self.outputs, *ends)

    def weight_rows(self, weight: AnyArray) -> F32:
        """The weight's array as [groups, outputs, columns], contiguous."""
        rows = np.ascontiguousarray(self.by_channel(np.asarray(weight, np.float32)))
        return rows.reshape(self.groups, self.outputs, self.columns)

    def from_rows(self, rows: AnyArray) -> AnyArray:
        """The inverse of weight_rows, for arrays of any type."""
        whole = rows.reshape(self.groups, self.outputs, *self.kernel)
        return (np.ascontiguousarray(whole.swapaxes(1, 2)) if self.inputs_first else whole).reshape(self.shape)

    def scaled(self, weight: AnyArray, before: F64 | None, after: F64 | None) -> F64:
        """The weight of a layer whose input channels come multiplied by `before` [in_channels] and
        whose output channels shall be multiplied by `after` [out_channels]. None: as they are.
        """
        matrix = self.by_channel(np.asarray(weight, np.float64))
        down = None if before is None else (1 / before).reshape(self.groups, 1, -1, 1)
        up = None if after is None else np.broadcast_to(after, self.out_channels).reshape(self.groups, -1, 1, 1)
        for factors in (down, up) if self.inputs_first else (up, down):
            matrix = matrix if factors is None else matrix * factors
        return np.asarray(self.from_rows(matrix), np.float64)
