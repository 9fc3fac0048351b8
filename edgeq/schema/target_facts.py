"""The facts of a target: one type for each table of its TOML file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgeq.io.strict_toml import Strict

#: limit of |a| + |b| for neighbouring codes: 255 * 128 = 32,640 is the largest sum of two u8 x s8
#: products that fits int16
PAIR_LIMIT = 128


class ActivationFacts(Strict):
    """The grids of activations: always one scale per tensor."""

    #: type of the codes; those of 16 bits are in the table [wide]
    dtype: Literal["uint8", "int8", "int16", "uint16"]
    #: real 0 is in the middle of the codes
    symmetric: bool = False
    power_of_two: bool = Field(False, description="scales are powers of two: requantization is a shift")
    #: where the facts come from; the same in the other tables
    source: str


class WeightFacts(Strict):
    """The grids of weights."""

    dtype: Literal["int8", "uint8"]
    symmetric: bool = True
    narrow: bool = Field(True, description="leave the lowest code unused: -127..127")
    power_of_two: bool = Field(False, description="scales are powers of two: requantization is a shift")
    granularity: tuple[Literal["per_channel", "per_tensor"], ...] = ("per_channel", "per_tensor")
    pair_limit: int | None = Field(
        None, ge=2, description="largest |a| + |b| of neighbouring codes of one sign that kernels add in int16 without saturating"
    )
    max_sum: int | None = Field(None, ge=1, description="largest sum of magnitudes of the codes of one output channel")
    packed: bool = Field(False, description="of .tflite files: weights of layers whose codes have 4 bits are stored as INT4, two in a byte")
    source: str

    def with_pair_limit(self, limit: int) -> WeightFacts:
        """A copy with another limit for pairs of neighbouring codes."""
        return self._changed({"pair_limit": limit})


class Bias(Strict):
    """How a bias is added to the accumulator."""

    #: int32: scale = input scale * weight scale, zero point 0; float32: added after the scaling
    dtype: Literal["int32", "float32"] = "int32"
    bits: int = Field(32, ge=8, le=32, description="width of the register that holds it")
    source: str


class OutputGrid(Strict):
    """The only output grid of a kernel, whatever the data."""

    scale: float = Field(gt=0)
    #: a code of the activations' dtype
    zero_point: int


class Form(Strict):
    """What a node has to be like for a kernel to take it; what is left out may be anything."""

    attributes: dict[str, tuple[int | float | str, ...]] = Field(
        default_factory=dict, description="values that the kernel takes; an attribute that a node leaves out has ONNX's default"
    )
    ranks: tuple[int, ...] = Field((), description="numbers of axes of the first input")
    reads: tuple[str, ...] = Field((), description="types of the first input, as ONNX's text form writes them: int64, bool")
    makes: tuple[str, ...] = Field((), description="types of the first output")
    most_inputs: int | None = Field(None, ge=1, description="largest number of inputs")
    number: int | None = Field(None, ge=0, description="index of the input that has to be one constant number")
    whole_sizes: bool = Field(False, description="of Resize: scales times sizes are whole numbers, so that both tell the same coordinates")
    same_channels: bool = Field(False, description="of Resize: the first two axes keep their sizes")
    last_axis: bool = Field(False, description="attribute axis is the last axis of the first input")
    constants: tuple[int, ...] = Field((), description="indices of the inputs that have to be constant, where the node has them")


class KernelFacts(Strict):
    """An operator that has an integer kernel."""

    op: str
    #: compute: runs in integers wherever it can; light: only where it pays
    #: (edgeq/planning/placement.py)
    role: Literal["compute", "light"]
    #: required: the output must be quantized; optional: it may also be float, unless onnxruntime
    #: fuses the node with its reader first; free: it may be float in any case
    output: Literal["required", "optional", "free"] = "required"
    weight: int | None = Field(None, description="index of the input that is a weight when constant")
    bias: int | None = Field(None, description="index of the bias input")
    channel_axis: int | None = Field(None, description="axis of the per-channel scales of the weight, negative from the end")
    grouped_channels: bool = Field(True, description="false: of a weight in groups it takes one scale alone")
    fixed_range: tuple[float, float] | None = Field(None, description="output range known without data, such as Sigmoid's")
    output_grid: OutputGrid | None = Field(None, description="the only output grid of the kernel, such as scale 1/256 of TFLite's Softmax")
    same_scale: bool = Field(False, description="the kernel copies or averages codes: inputs and output share one grid")
    lookup: bool = Field(False, description="runs as a table of 256 codes")
    max_window: int | None = Field(None, ge=1, description="largest side of a window")
    max_stride: int | None = Field(None, ge=1, description="largest stride")
    shift: tuple[int, int] | None = Field(
        None,
        description="scales of powers of two: least and most places by which the result is shifted to the right, log2 of the output scale "
        "over the product of both input scales; with align: over the larger one",
    )
    align: int | None = Field(None, ge=0, description="of Add and Sub: most places between the scales of both inputs")
    forms: tuple[Form, ...] = Field((), description="a node has to be of one of these forms; left out: any form will do")
    int_ns: float = Field(1.0, gt=0, description="integer kernel, nanoseconds per output element (light operators)")
    float_ns: float = Field(1.0, gt=0, description="float kernel, nanoseconds per output element (light operators)")
    variable_ns: tuple[float, float] | None = Field(
        None, description="integer and float kernel, nanoseconds per multiply-accumulate, where both factors are computed at run time"
    )
    source: str

    def with_costs(self, int_ns: float, float_ns: float) -> KernelFacts:
        """A copy with other costs per output element, in nanoseconds."""
        return self._changed({"int_ns": int_ns, "float_ns": float_ns})


class Movement(Strict):
    """Operators that move or select elements and take integers as they are.

    The output has the grid of the input.
    """

    ops: tuple[str, ...]
    pairs: bool = Field(False, description="its compiler needs a Dequantize before and a Quantize after them, with one grid")
    #: nanoseconds per element on integers
    int_ns: float = 0.3
    #: nanoseconds per element on floats
    float_ns: float = 1.0
    forms: dict[str, tuple[Form, ...]] = Field(
        default_factory=dict, description="for operators that are not taken in any form: a node has to be of one of these"
    )
    views: tuple[str, ...] = Field((), description="those that reuse the same memory under another shape: free in integers and in float")
    behind_conv: dict[str, float] = Field(
        default_factory=dict, description="operators that are this slow, nanoseconds per element, unless channels are last as behind a Conv"
    )
    source: str

    def with_costs(self, int_ns: float, float_ns: float) -> Movement:
        """A copy with other costs per element, in nanoseconds."""
        return self._changed({"int_ns": int_ns, "float_ns": float_ns})


class Boundary(Strict):
    """What a conversion between float and integers costs."""

    #: nanoseconds per element
    quantize_ns: float = 1.0
    #: nanoseconds per element
    dequantize_ns: float = 0.5
    call_ns: int = Field(1500, ge=0, description="fixed cost of one more node, nanoseconds")
    integer_mac_worth_ns: float = Field(
        1.0,
        ge=0,
        description="what one multiply-accumulate in integers is worth: by how much placement may be slower to keep it out of float",
    )
    source: str

    def with_worth(self, integer_mac_worth_ns: float) -> Boundary:
        """A copy that values an integer multiply-accumulate differently, in nanoseconds."""
        return self._changed({"integer_mac_worth_ns": integer_mac_worth_ns})


class DynamicLayer(Strict):
    """A recurrent layer for which the runtime has an integer kernel that takes and gives floats."""

    op: Literal["LSTM"]
    #: the operator of the runtime's own that it becomes
    kernel: Literal["DynamicQuantizeLSTM"]
    least_hidden: int = Field(1, ge=1, description="the smallest hidden size with which the kernel is faster than the float one")
    source: str


class Dynamic(Strict):
    """Operators whose input can be quantized with a grid that is measured at every run."""

    ops: tuple[Literal["MatMul"], ...]
    layer: tuple[DynamicLayer, ...] = Field((), description="recurrent layers with operators of the runtime's own")
    #: measuring and quantizing, nanoseconds per element
    quantize_ns: float = Field(0.5, gt=0)
    source: str

    def without_layers(self) -> Dynamic:
        """A copy without operators of the runtime's own."""
        return self._changed({"layer": ()})


class SlowFusions(Strict):
    """What the runtime fuses in float although the separate nodes are faster."""

    #: operators that it fuses with the Add before them
    add_before: tuple[str, ...] = ()
    source: str
