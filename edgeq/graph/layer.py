"""What is known of a layer with a constant weight: its rows, its channels and their axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeq.numerics.arrays import F32, F64, AnyArray


@dataclass(frozen=True)
class Window:
    """The places of its input at which a convolution applies the rows of its weight.

    Every tuple has one number per spatial axis; pads has two.
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    #: zeros before each axis, then zeros behind each
    pads: tuple[int, ...]
    auto_pad: str = "NOTSET"
    #: set for a ConvTranspose: it equals a convolution with strides of 1 and a flipped kernel, on
    #: its input with zeros between neighbours, which then lie this many places apart. Only every
    #: spread-th tap of a row meets anything but zeros
    spread: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layer:
    """A Conv, ConvTranspose, Gemm or MatMul with a constant weight, as `groups` matrix products."""

    #: name of the node
    node: str
    #: name of its input
    source: str
    #: groups of a convolution, else 1
    groups: int
    #: shape of one row of the weight: (input channels of the group, *spatial), or (columns,)
    kernel: tuple[int, ...]
    #: output channels of a group: rows of the group's matrix
    outputs: int
    #: whether the array holds input channels before output channels: ConvTranspose, MatMul, and
    #: Gemm without transB
    inputs_first: bool = False
    #: axis of the channels in the layer's input and in its output; None: not known
    axis: int | None = None
    #: rows in the input of one sample, as far as that is known before a run
    positions: int = 1
    #: how rows are taken from the input of a convolution; None: the rows are the input's own
    window: Window | None = None

    @property
    def columns(self) -> int:
        """Numbers in a row of the weight."""
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
        """Whether each channel has one input and one output.

        onnxruntime's kernels for such layers never add neighbours in int16.
        """
        return self.groups > 1 and self.kernel[0] == 1 and self.outputs == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the weight's array."""
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
        """The weight that takes up scales of the layer's channels.

        before [in_channels]: what the input channels come multiplied by. after [out_channels]: what
        the output channels shall be multiplied by. None: unchanged.
        """
        matrix = self.by_channel(np.asarray(weight, np.float64))
        down = None if before is None else (1 / before).reshape(self.groups, 1, -1, 1)
        up = None if after is None else np.broadcast_to(after, self.out_channels).reshape(self.groups, -1, 1, 1)
        for factors in (down, up) if self.inputs_first else (up, down):
            matrix = matrix if factors is None else matrix * factors
        return np.asarray(self.from_rows(matrix), np.float64)
