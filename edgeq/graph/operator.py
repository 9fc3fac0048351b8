"""What is known about an ONNX operator, as fields; edgeq/graph/operators.py holds the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: how an operator that computes nothing hands elements on
Moves = Literal["views", "reorders", "pads", "copies", "samples"]
#: how an operator hands channels on; edgeq/graph/channel_rules.py has a rule for each word
ChannelRule = Literal[
    "clip", "concat", "flatten", "gate", "join", "keep", "leaky", "pad", "pool", "resize", "slice", "slope", "transpose"
]  # fmt: skip


@dataclass(frozen=True)
class RuntimeKernel:
    """A kernel of onnxruntime that does an operator's work under another name."""

    #: its name in the graphs that onnxruntime optimizes
    op_type: str
    #: where the operator's own inputs stand among the kernel's, in order; empty: not looked at
    inputs: Sequence[int] = ()
    #: where the scale of its output codes stands, their zero point behind it; None: makes no codes
    scale: int | None = None
    #: what it makes; codes_or_reals: real numbers where the scale of the output is left out
    makes: Literal["codes", "codes_or_reals", "sums", "reals"] = "codes"
    #: whether it computes on 8-bit integers
    integer: bool = True


@dataclass(frozen=True)
class Operator:
    """One ONNX operator: facts about what it computes and about what onnxruntime makes of it. Facts
    of chips are in targets/*.toml.
    """

    #: its name in ONNX
    op_type: str
    #: inputs that hold the numbers it works on, which an integer form reads as codes, constants
    #: included; the others are a bias, sizes, axes, indices or conditions. None: all of them
    data: tuple[int, ...] | None = (0,)
    #: the input that is added to sums of products of the data inputs
    bias: int | None = None
    #: inputs that are weights where they are constant
    weights: tuple[int, ...] = ()
    #: the axis of a weight that holds the output channels (of a Gemm: without transB)
    weight_axis: int = 0
    #: whether an output is a sum of products of the two data inputs: what MACs are counted of
    layer: bool = False
    #: whether it slides a window over the spatial axes
    window: bool = False
    #: one: computes an element from the one in its place. all: from those of all inputs, broadcast.
    #: roles: likewise, but the inputs are not alike (a slope, a condition)
    elementwise: Literal["one", "all", "roles"] | None = None
    #: views: the same memory under another shape. reorders: every element once. pads: and fills.
    #: copies: some of them, several times, of several inputs, or a bound in their place. samples:
    #: between them, and as they are only in mode nearest
    moves: Moves | None = None
    #: the element type of the first output, where it is not that of the first data input
    makes: Literal["int64", "bool"] | None = None
    #: whether the outputs behind the first hold int64 indices
    indices: bool = False
    #: how it hands channels on that may be scaled; None: they may not
    channels: ChannelRule | None = None
    #: kernels of onnxruntime that do its work under another name
    kernels: tuple[RuntimeKernel, ...] = ()
    #: fused: between a Dequantize and a Quantize of one grid onnxruntime runs it on the codes.
    #: taken: it does not, but the kernel takes integer tensors
    on_codes: Literal["fused", "taken"] | None = None
    #: whether onnxruntime, where the node vanishes, does its work at the end of the node before it
    joins_before: bool = False
    #: whether the result can be much larger than what is read
    grows: bool = False
    #: whether every run gives other numbers
    random: bool = False
    #: whether it runs graphs of its own
    control: bool = False
    #: whether it turns real numbers into codes, or codes into real numbers
    converts: bool = False

    @property
    def exact(self) -> bool:
        """Whether nothing is rounded, so that the numbers are the same whoever computes them."""
        return self.moves not in (None, "samples") or self.makes is not None

    @property
    def fuses(self) -> bool:
        """Whether onnxruntime makes one integer kernel of it and the conversions around it."""
        return any(kernel.scale is not None for kernel in self.kernels)

    @property
    def hands_out_reals(self) -> bool:
        """Whether such a kernel does without a quantized output."""
        return self.fuses and any(kernel.integer and kernel.makes in ("reals", "codes_or_reals") for kernel in self.kernels)

    def data_of(self, count: int) -> tuple[int, ...]:
        """The data inputs of a node that has so many inputs."""
        return tuple(range(count)) if self.data is None else tuple(index for index in self.data if index < count)
