"""A target: what a processor or a runtime can do, as facts read from one TOML file."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from edgeq.errors import BadTarget, hint
from edgeq.io.strict_toml import Strict, parse_toml, read_toml
from edgeq.numerics.grid import LIMITS
from edgeq.runtimes.table import Architecture, TargetRuntime, runs_here
from edgeq.schema.cost import Costs
from edgeq.schema.provider import Provider
from edgeq.schema.target_facts import (
    PAIR_LIMIT,
    ActivationFacts,
    Bias,
    Boundary,
    Dynamic,
    Form,
    KernelFacts,
    Movement,
    SlowFusions,
    WeightFacts,
)
from edgeq.schema.wide.facts import WIDE_OPSET, Wide, check_wide


class Target(Strict):
    """Facts about one back end."""

    schema_version: Literal[1]
    name: str
    #: a line about it for people
    title: str
    #: what runs its models: a runtime that `edgeq prove --runtime` starts; tflite: any that takes
    #: .tflite files; none: edgeq has no runtime for this target
    runtime: TargetRuntime
    architecture: Architecture | None = Field(None, description="the processors that its runtime runs on; left out: any")
    #: model inputs and outputs stay float
    float_io: bool
    #: there is no float kernel to fall back on
    integer_only: bool = False
    keeps_clamps: bool = Field(
        True, description="false: its compiler folds a wider requantization into a layer and loses the clamp between"
    )
    window_axes: Literal[2] | None = Field(None, description="number of spatial axes of convolutions and pools; left out: any")
    min_opset: int = Field(13, ge=13)
    max_opset: int = Field(21, ge=13)
    activations: ActivationFacts
    wide: Wide | None = Field(None, description="activations of 16 bits; left out: it has none")
    weights: WeightFacts
    bias: Bias
    kernel: tuple[KernelFacts, ...]
    movement: Movement
    boundary: Boundary
    refused: dict[str, str] = Field(default_factory=dict, description="operators that look as if they had a kernel, and why they have none")
    slow_fusions: SlowFusions | None = None
    dynamic: Dynamic | None = None
    provider: Provider | None = None
    cost: Costs | None = Field(None, description="what kernels cost on types of machines; left out: placement does not weigh time")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [k.op for k in self.kernel]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"kernel {twice[0]} is listed twice")
        both = sorted(set(names) & set(self.movement.ops))
        if both:
            raise ValueError(f"{both[0]} is both a kernel and a movement operator")
        denied = sorted(set(self.refused) & {*names, *self.movement.ops})
        if denied:
            raise ValueError(f"{denied[0]} is both refused and a kernel or a movement operator")
        limits = LIMITS[self.activations.dtype]
        fixed = [k for k in self.kernel if k.output_grid is not None]
        outside = next((k.op for k in fixed if k.output_grid and not limits[0] <= k.output_grid.zero_point <= limits[1]), None)
        if outside:
            raise ValueError(f"the output_grid of {outside} has a zero point that {self.activations.dtype} does not hold")
        if any(k.output_grid is not None and k.same_scale for k in fixed):
            raise ValueError(f"{next(k.op for k in fixed if k.same_scale)} has an output_grid and same_scale: only one can hold")
        shifting = next((k for k in self.kernel if k.shift is not None or k.align is not None), None)
        if shifting is not None and not self.activations.power_of_two:
            raise ValueError(f"{shifting.op} states shifts, but scales of activations are not powers of two")
        backward = next((k.op for k in self.kernel if k.shift is not None and k.shift[0] > k.shift[1]), None)
        if backward:
            raise ValueError(f"the first number of the shift of {backward} must be at most the second")
        if self.min_opset > self.max_opset:
            raise ValueError(f"min_opset {self.min_opset} is above max_opset {self.max_opset}")
        return self

    @model_validator(mode="after")
    def _widths(self) -> Self:
        check_wide(self.wide, self.activations, {*(k.op for k in self.kernel), *self.movement.ops})
        return self

    def without_vnni(self) -> Target:
        """This target on processors that add pairs of products in saturating int16.

        Neighbouring weights get a pair limit that rules saturation out.
        """
        if self.weights.pair_limit is not None:
            return self
        return self._changed({"weights": self.weights.with_pair_limit(PAIR_LIMIT)})

    def with_costs(self, *, int_ns: float, float_ns: float, integer_mac_worth_ns: float) -> Target:
        """This target with one cost for every operator: it tells what can run, not what pays."""
        return self._changed(
            {
                "kernel": tuple(kernel.with_costs(int_ns, float_ns) for kernel in self.kernel),
                "movement": self.movement.with_costs(int_ns, float_ns),
                "boundary": self.boundary.with_worth(integer_mac_worth_ns),
                "cost": None,
            }
        )

    def with_cost(self, cost: Costs | None) -> Target:
        """This target with the costs of other machines, or of none."""
        return self._changed({"cost": cost})

    def with_float_io(self) -> Target:
        """This target with float model inputs and outputs."""
        return self._changed({"float_io": True})

    def with_standard_operators(self) -> Target:
        """This target without operators that are not ONNX's own."""
        return self if self.dynamic is None else self._changed({"dynamic": self.dynamic.without_layers()})

    def with_wide_opset(self) -> Target:
        """This target without the opsets that have no codes of 16 bits."""
        return self._changed({"min_opset": max(self.min_opset, WIDE_OPSET)})

    def facts_of(self, bits: int) -> ActivationFacts:
        """The grids of activations of 8 or 16 bits."""
        return self.activations if bits == 8 or self.wide is None else self.wide

    @property
    def runs_here(self) -> bool:
        """Whether this machine runs its models as the target does: kernels, sums and times."""
        return runs_here(self.runtime, self.architecture)

    @cached_property  # its name hides it from pydantic, which would take it for a field of a copy
    def _kernels(self) -> dict[str, KernelFacts]:
        return {k.op: k for k in self.kernel}

    def forms_of(self, op_type: str) -> tuple[Form, ...]:
        """The forms in which it takes an operator; empty: any."""
        kernel = self.kernel_of(op_type)
        return self.movement.forms.get(op_type, ()) if kernel is None else kernel.forms

    def no_kernel(self, op_type: str) -> str:
        """The fact that there is no kernel for an operator, with the reason where one is known."""
        why = self.refused.get(op_type)
        return f"{self.name} has no integer kernel for {op_type}" + (f": {why}" if why else "")

    def kernel_of(self, op_type: str) -> KernelFacts | None:
        """The integer kernel of an operator type, or None; planning asks for it at every node."""
        return self._kernels.get(op_type)

    @property
    def takes_norms(self) -> bool:
        """Whether a normalization may be one operator: one that is integer, or float."""
        return not self.integer_only or self.kernel_of("LayerNormalization") is not None


def shipped_targets() -> tuple[str, ...]:
    """Names of the targets shipped with edgeq.

    >>> [name for name in shipped_targets() if name.startswith("cpu")]
    ['cpu', 'cpu_arm']
    """
    found = (entry.name for entry in files("edgeq.targets").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def load_target(name_or_path: str | Target, *, float_io: bool = False) -> Target:
    """A shipped target by name, a user's own TOML file by path, or a target. Raises BadTarget.

    float_io: keep model inputs and outputs in float, whatever the target says.

    >>> load_target("cpu").activations.dtype, load_target("mcu_tflite").integer_only
    ('uint8', True)
    """
    target = name_or_path if isinstance(name_or_path, Target) else _load_target(name_or_path)
    return target.with_float_io() if float_io else target


def _load_target(name_or_path: str) -> Target:
    if name_or_path.endswith(".toml"):
        return read_toml(Target, Path(name_or_path), BadTarget, "target")
    if name_or_path not in shipped_targets():
        known = ", ".join(shipped_targets())
        fix = f"{hint(name_or_path, shipped_targets())}Use one of: {known}; or the path of your own .toml file."
        raise BadTarget(f"There is no target named {name_or_path!r}.", "--target", fix)
    text = (files("edgeq.targets") / f"{name_or_path}.toml").read_text(encoding="utf-8")
    return parse_toml(Target, text, f"targets/{name_or_path}.toml", BadTarget, "target")
