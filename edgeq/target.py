"""What a chip or runtime can do: facts read from one TOML file, never steps."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from edgeq.errors import BadTarget
from edgeq.quant import LIMITS
from edgeq.toml_model import Strict, parse_toml, read_toml

#: 255 * 128 = 32,640 is the largest pair of u8 x s8 products with a whole |a| + |b| that int16 holds
PAIR_LIMIT = 128


class Activations(Strict):
    """Grid of activations: always one scale a tensor."""

    dtype: Literal["uint8", "int8"]
    symmetric: bool = False
    power_of_two: bool = Field(False, description="scales are powers of two: requantization is a shift")
    source: str


class Weights(Strict):
    """Grid of weights."""

    dtype: Literal["int8", "uint8"]
    symmetric: bool = True
    narrow: bool = Field(True, description="leave the lowest code unused: -127..127")
    power_of_two: bool = Field(False, description="scales are powers of two: requantization is a shift")
    granularity: tuple[Literal["per_channel", "per_tensor"], ...] = ("per_channel", "per_tensor")
    pair_limit: int | None = Field(
        None, ge=2, description="largest |a| + |b| of neighbouring codes of one sign that kernels add in int16 without saturating"
    )
    max_sum: int | None = Field(None, ge=1, description="largest sum of magnitudes of the codes of one output channel")
    source: str


class Bias(Strict):
    """A bias is added to the accumulator: int32 with scale = input scale * weight scale, zero point 0."""

    dtype: Literal["int32"] = "int32"
    bits: int = Field(32, ge=8, le=32, description="width of the register that holds it")
    source: str


class OutputGrid(Strict):
    """The one output grid that a kernel has, whatever the data: zero_point is a code of the activations' dtype."""

    scale: float = Field(gt=0)
    zero_point: int


class Kernel(Strict):
    """An operator that has an integer kernel.

    output: 'required' when the kernel exists only with a quantized output, 'optional' when it can also hand out float.
    role: 'compute' runs in integers wherever it can; 'light' only where the cut of all costs says so (see edgeq/placement.py).
    """

    op: str
    role: Literal["compute", "light"]
    output: Literal["required", "optional"] = "required"
    weight: int | None = Field(None, description="index of the input that is a weight when constant")
    bias: int | None = Field(None, description="index of the bias input")
    channel_axis: int | None = Field(None, description="axis of the per-channel scales of the weight, negative from the end")
    fixed_range: tuple[float, float] | None = Field(None, description="output range known without data, as of Sigmoid")
    output_grid: OutputGrid | None = Field(None, description="the only output grid of the kernel, as 1/256 of TFLite's Softmax")
    same_scale: bool = Field(False, description="the kernel copies or averages codes: inputs and output share one grid")
    lookup: bool = Field(False, description="runs as a table of 256 codes")
    max_window: int | None = Field(None, ge=1, description="largest side of a window")
    max_stride: int | None = Field(None, ge=1, description="largest stride")
    int_ns: float = Field(1.0, gt=0, description="integer kernel, nanoseconds an output element (light operators)")
    float_ns: float = Field(1.0, gt=0, description="float kernel, nanoseconds an output element (light operators)")
    variable_ns: tuple[float, float] | None = Field(
        None, description="integer and float kernel, nanoseconds a multiply-accumulate, where both factors are computed at run time"
    )
    source: str


class Movement(Strict):
    """Operators that move or select elements and take integer tensors as they are (input grid == output grid)."""

    ops: tuple[str, ...]
    pairs: bool = Field(False, description="its compiler wants a Dequantize before and a Quantize behind them, of one grid")
    int_ns: float = 0.3
    float_ns: float = 1.0
    views: tuple[str, ...] = Field((), description="those that hand on the same memory under another shape: free in both worlds")
    behind_conv: dict[str, float] = Field(
        default_factory=dict, description="operators that are this slow, nanoseconds an element, unless a Conv makes what they read"
    )
    source: str


class Boundary(Strict):
    """What a step between float and integers costs, nanoseconds an element."""

    quantize_ns: float = 1.0
    dequantize_ns: float = 0.5
    call_ns: int = Field(1500, ge=0, description="fixed cost of one more node, nanoseconds")
    integer_mac_worth_ns: float = Field(
        1.0, ge=0, description="what one multiply-accumulate in integers is worth: how much slower placement may get to keep it off float"
    )
    source: str


class Dynamic(Strict):
    """Operators whose input can be quantized with a grid that is measured at every run. quantize_ns: that and the measuring, an element."""

    ops: tuple[Literal["MatMul"], ...]
    quantize_ns: float = Field(0.5, gt=0)
    source: str


class SlowFusions(Strict):
    """What the runtime joins in float although the parts are faster. add_before: operators that it joins with the Add before them."""

    add_before: tuple[str, ...] = ()
    source: str


class Target(Strict):
    """Facts of one back end. `float_io`: model inputs and outputs stay float. `integer_only`: there is no float kernel to fall back on.

    runtime: who executes its models: the one that `edgeq prove --runtime` asks; none: edgeq has no runtime of this chip.
    """

    schema_version: Literal[1]
    name: str
    title: str
    runtime: Literal["onnxruntime", "tflite", "openvino", "qnn", "none"]
    float_io: bool
    integer_only: bool = False
    keeps_clamps: bool = Field(
        True, description="false: its compiler folds a wider requantization into a layer and loses the clamp between"
    )
    min_opset: int = Field(13, ge=13)
    max_opset: int = Field(21, ge=13)
    activations: Activations
    weights: Weights
    bias: Bias
    kernel: tuple[Kernel, ...]
    movement: Movement
    boundary: Boundary
    slow_fusions: SlowFusions | None = None
    dynamic: Dynamic | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [k.op for k in self.kernel]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"kernel {twice[0]} is listed twice")
        both = sorted(set(names) & set(self.movement.ops))
        if both:
            raise ValueError(f"{both[0]} is both a kernel and a movement operator")
        limits = LIMITS[self.activations.dtype]
        fixed = [k for k in self.kernel if k.output_grid is not None]
        outside = next((k.op for k in fixed if k.output_grid and not limits[0] <= k.output_grid.zero_point <= limits[1]), None)
        if outside:
            raise ValueError(f"the output_grid of {outside} has a zero point that {self.activations.dtype} does not hold")
        if any(k.output_grid is not None and k.same_scale for k in fixed):
            raise ValueError(f"{next(k.op for k in fixed if k.same_scale)} has an output_grid and same_scale: only one can hold")
        if self.min_opset > self.max_opset:
            raise ValueError(f"min_opset {self.min_opset} is above max_opset {self.max_opset}")
        return self

    def without_vnni(self) -> Target:
        """This target for processors that add pairs of products in saturating int16: weights of neighbours keep clear of it."""
        if self.weights.pair_limit is not None:
            return self
        return self.model_copy(update={"weights": self.weights.model_copy(update={"pair_limit": PAIR_LIMIT})})

    @property
    def same_scale_ops(self) -> frozenset[str]:
        """Kernels whose inputs and output share one grid."""
        return frozenset(k.op for k in self.kernel if k.same_scale)

    def kernel_of(self, op_type: str) -> Kernel | None:
        """The integer kernel of an operator type, or None."""
        return next((k for k in self.kernel if k.op == op_type), None)


def shipped_targets() -> tuple[str, ...]:
    """Names of the targets that come with edgeq."""
    found = (entry.name for entry in files("edgeq.targets").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def load_target(name_or_path: str, *, float_io: bool = False) -> Target:
    """A shipped target by name, or a user's own TOML file by path. float_io: float inputs and outputs all the same. Raises BadTarget."""
    target = _load_target(name_or_path)
    return target.model_copy(update={"float_io": True}) if float_io else target


def _load_target(name_or_path: str) -> Target:
    if name_or_path.endswith(".toml"):
        return read_toml(Target, Path(name_or_path), BadTarget, "target")
    if name_or_path not in shipped_targets():
        known = ", ".join(shipped_targets())
        mend = f"Use one of: {known}; or the path of your own .toml file."
        raise BadTarget(f"There is no target named {name_or_path!r}.", "--target", mend)
    text = (files("edgeq.targets") / f"{name_or_path}.toml").read_text(encoding="utf-8")
    return parse_toml(Target, text, f"targets/{name_or_path}.toml", BadTarget, "target")
