"""What is known about an ONNX operator, as fields; edgeq/graph/operators.py holds the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: how an operator that only moves elements passes them on
Moves = Literal["views", "reorders", "pads", "copies", "samples"]
#: how an operator passes channels on; edgeq/graph/channels/rules.py has a rule for each word
ChannelRule = Literal[
    "clip", "concat", "flatten", "gate", "join", "keep", "leaky", "pad", "pool", "resize", "slice", "slope", "transpose"
]  # fmt: skip


@dataclass(frozen=True)
class RuntimeKernel:
    """A kernel of onnxruntime that does an operator's work under another name."""

    #: its name in the graphs that onnxruntime optimizes
    op_type: str
    #: positions of the operator's own inputs among the kernel's, in order; empty: not looked at
    inputs: Sequence[int] = ()
    #: position of the scale of its output codes, which the zero point follows; None: it makes no
    #: codes
    scale: int | None = None
    #: what it outputs; codes_or_reals: real numbers if the scale of the output is left out
    makes: Literal["codes", "codes_or_reals", "sums", "reals"] = "codes"
    #: whether it computes on 8-bit integers
    integer: bool = True


@dataclass(frozen=True)
class Operator:
    """One ONNX operator: facts about what it computes and about what onnxruntime makes of it.

    Facts about targets are in targets/*.toml.
    """

    #: its name in ONNX
    op_type: str
    #: inputs that hold the numbers it works on, constants included, which an integer form reads as
    #: codes; the others are a bias, sizes, axes, indices or conditions. None: all inputs
    data: tuple[int, ...] | None = (0,)
    #: the input that is added to sums of products of the data inputs
    bias: int | None = None
    #: inputs that are weights where they are constant
    weights: tuple[int, ...] = ()
    #: the axis of a weight that holds the output channels (for a Gemm: without transB)
    weight_axis: int = 0
    #: whether an output is a sum of products of the two data inputs; only such operators have MACs
    layer: bool = False
    #: whether it slides a window over the spatial axes
    window: bool = False
    #: one: an output element depends on the input element in its place. all: on those of all
    #: inputs, broadcast. roles: like all, but the inputs differ in meaning (a slope, a condition)
    elementwise: Literal["one", "all", "roles"] | None = None
    #: views: the same memory under another shape. reorders: every element once. pads: every element
    #: once, and a fill. copies: some elements, possibly several times or from several inputs, or a
    #: bound in their place. samples: interpolates; only in mode nearest are elements unchanged
    moves: Moves | None = None
    #: the input at which it has no result where that is 0 (a divisor)
    pole: int | None = None
    #: the range of its outputs, whatever the inputs are
    bounds: tuple[float, float] | None = None
    #: for copies: whether the numbers in the data inputs have no say in which element goes where
    by_place: bool = False
    #: the element type of the first output, where it differs from that of the first data input
    makes: Literal["int64", "bool"] | None = None
    #: whether the outputs behind the first hold int64 indices
    indices: bool = False
    #: how it passes on channels that may be scaled; None: they may not be
    channels: ChannelRule | None = None
    #: kernels of onnxruntime that do its work under another name
    kernels: tuple[RuntimeKernel, ...] = ()
    #: fused: between a DequantizeLinear and a QuantizeLinear of one grid onnxruntime runs it on the
    #: codes. taken: it does not, but the kernel accepts integer tensors
    on_codes: Literal["fused", "taken"] | None = None
    #: whether onnxruntime, where it removes the node, does the work at the end of the node before
    #: it
    joins_before: bool = False
    #: whether onnxruntime computes it within the float kernel of a Conv before it, at next to no
    #: cost
    free_behind_conv: bool = False
    #: whether onnxruntime replaces it, between a DequantizeLinear and a QuantizeLinear, by an
    #: integer kernel that cannot compute all of its forms
    fused_unchecked: bool = False
    #: whether the result can be much larger than what is read
    grows: bool = False
    #: whether every run gives different numbers (see is_random in edgeq/graph/read.py)
    random: bool = False
    #: whether its numbers decide how many elements it makes: none, where none are chosen
    counts: bool = False
    #: whether the process ends in onnxruntime's kernel where the data input has no elements
    dies_of_nothing: bool = False
    #: whether it runs graphs of its own
    control: bool = False
    #: whether it turns real numbers into codes, or codes into real numbers
    converts: bool = False

    @property
    def exact(self) -> bool:
        """Whether nothing is rounded, so that every implementation gives the same numbers."""
        return self.moves not in (None, "samples") or self.makes is not None

    @property
    def relocates(self) -> bool:
        """Whether each output element is one of the data inputs, or a fill, by its place."""
        return self.moves in ("views", "reorders", "pads") or self.by_place

    @property
    def fuses(self) -> bool:
        """Whether onnxruntime fuses it and the conversions around it into one integer kernel."""
        return any(kernel.scale is not None for kernel in self.kernels)

    @property
    def hands_out_reals(self) -> bool:
        """Whether such an integer kernel can output real numbers instead of codes."""
        return self.fuses and any(kernel.integer and kernel.makes in ("reals", "codes_or_reals") for kernel in self.kernels)

    def data_of(self, count: int) -> tuple[int, ...]:
        """The positions of the data inputs of a node with `count` inputs."""
        return tuple(range(count)) if self.data is None else tuple(index for index in self.data if index < count)
