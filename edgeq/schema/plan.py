"""The plan: which value gets which grid, which node runs where, and why. Plain frozen data that
serialises to JSON.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import from_json

from edgeq.errors import BadPlan
from edgeq.io.strict_toml import Strict
from edgeq.numerics.arrays import Ints
from edgeq.numerics.codebook import parse_grain
from edgeq.numerics.grid import LIMITS, PerChannel, PerTensor, QuantParams
from edgeq.schema.pixels import PixelMap
from edgeq.schema.plan_1 import upgraded

#: where a node runs
PlacedAs = Literal["int8", "dynamic", "integer", "absorbed", "float"]
#: what decided where a node runs; the text beside it is for people, and no code reads that
#:
#: in integers: "kernel": an integer kernel; "measured": one whose input grid is measured at every
#: run; "movement": it only moves or selects integers; "embedding": a table of weights whose rows
#: are gathered as integers; "absorbed": its producer's output grid does its work
#:
#: in float: "kept": the recipe keeps it so; "searched": a search does; "obstacle": no integer
#: kernel takes this operator as it is used here; "no_float": it computes no floats; "outer": it
#: reads a value of the graph around its body; "unfit": no grid can hold a value that it touches;
#: "slow": its integer kernel is slower where it stands; "cost": the steps between integers and
#: float around it would cost more than its kernel saves
Because = Literal[
    "kernel", "measured", "movement", "embedding", "absorbed",
    "kept", "searched", "obstacle", "no_float", "outer", "unfit", "slow", "cost",
]  # fmt: skip

#: what a scale can be: the positive numbers of float32, subnormal ones included
TINIEST, LARGEST = 2.0**-149, float(np.finfo(np.float32).max)


class NodePlan(Strict):
    """Where one node runs and why (see placement.NodePlace)."""

    op_type: str
    runs: PlacedAs
    #: what decided it, for code
    because: Because
    #: the same in words, for people
    reason: str
    #: names of its values; an input left out is ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class StoragePlan(Strict):
    """A weight is stored as indices of at most `bits` into tables. axis: of its output channels."""

    granularity: str
    axis: int = Field(ge=0)
    bits: int = Field(ge=1, le=8)

    @field_validator("granularity")
    @classmethod
    def _known(cls, word: str) -> str:
        return str(parse_grain(word))


class GridPlan(Strict):
    """One grid: r = scale * (q - zero_point), for codes of `dtype`. axis: per-channel along it;
    None: one scale a tensor.
    """

    dtype: Literal["uint8", "int8"]
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None
    narrow: bool = False
    rule: str
    reason: str
    readers: Literal["all", "integer"] = "all"
    group: str | None = None
    codes: str | None = None
    storage: StoragePlan | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if len(self.scale) != len(self.zero_point) or not self.scale:
            raise ValueError("scale and zero_point need the same number of entries, at least one")
        if self.axis is None and len(self.scale) != 1:
            raise ValueError("a grid without an axis has one scale")
        low, high = LIMITS[self.dtype]
        if not all(TINIEST <= s <= LARGEST for s in self.scale) or any(not low <= z <= high for z in self.zero_point):
            raise ValueError("scales must be positive float32 numbers and zero points within the type")
        return self

    @property
    def params(self) -> QuantParams:
        """The grid as arithmetic wants it."""
        shape = () if self.axis is None else (len(self.scale),)
        scale = np.array(self.scale, np.float32).reshape(shape)
        zero = np.array(self.zero_point, np.int32).reshape(shape)
        return QuantParams(self.dtype, scale, zero, PerTensor() if self.axis is None else PerChannel(self.axis), self.narrow)


def grid_plan(
    params: QuantParams, rule: str, reason: str, *, readers: Literal["all", "integer"] = "all", group: str | None = None
) -> GridPlan:
    """The serialisable form of a grid, with the rule that chose it."""
    axis = params.granularity.axis if isinstance(params.granularity, PerChannel) else None
    scale = tuple(float(s) for s in np.atleast_1d(params.scale))
    zero = tuple(int(z) for z in np.atleast_1d(params.zero_point))
    return GridPlan.model_validate(
        {"dtype": params.dtype, "scale": scale, "zero_point": zero, "axis": axis, "narrow": params.narrow}
        | {"rule": rule, "reason": reason, "readers": readers, "group": group}
    )


class SearchPlan(Strict):
    """What a search decided and why, for the reader: the plan's other fields carry it out. tried:
    candidates that were measured. gate: whether the floors held; a run that repeats the plan
    without data writes it into the model."""

    objective: str
    candidate: str
    why: str
    tried: int
    gate: Literal["passed", "failed", "none"] = "none"


class Plan(Strict):
    """Everything that preparing and rewriting the model again needs. grids: by value name; weights:
    by "node:input index"; biases: by node, float, corrected for the mean error of what quantization
    did before and in them; equalization: value -> exponent k of each channel, which is multiplied
    by 2^(k/8) (edgeq/schema/scaling.py); stored: weights of float nodes that lie in the file as
    integers, by the same key as weights; shapes: of inputs that were frozen; pixels: inputs that
    take raw pixels; hashes: sha256 hex."""

    schema_version: Literal[2] = 2
    model: str
    data: str
    target: str
    recipe: str
    settings: str
    opset: int | None
    shapes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    equalization: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    nodes: dict[str, NodePlan]
    grids: dict[str, GridPlan]
    weights: dict[str, GridPlan]
    biases: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    stored: dict[str, GridPlan] = Field(default_factory=dict)
    search: SearchPlan | None = None
    factors: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    pixels: dict[str, PixelMap] = Field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON: the same plan gives the same bytes."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def pack_codes(codes: Ints) -> str:
    """Integer codes of a weight as text: base64 of zlib of int8 or uint8, row-major."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(codes).tobytes(), 1)).decode("ascii")


def unpack_codes(text: str, dtype: str, shape: tuple[int, ...]) -> Ints:
    """The inverse of pack_codes. Raises BadPlan when the text does not hold exactly `shape`."""
    size, stream = math.prod(shape), zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error):
        data = b""
    if len(data) != size or not stream.eof or stream.unused_data:
        raise BadPlan("The codes of a weight are damaged.", "the plan", "Make the plan anew with `edgeq quantize`.")
    return np.frombuffer(data, dtype).reshape(shape)


def parse_plan(text: str, where: str) -> Plan:
    """A plan from its JSON text, of this schema or of schema 1. Raises BadPlan."""
    fix = "Make the plan anew with `edgeq quantize`."
    try:
        document = from_json(text)
    except ValueError as problem:
        raise BadPlan(f"The plan is damaged: it is not JSON ({problem}).", where, fix) from None
    if isinstance(document, dict) and document.get("schema_version", 1) == 1:
        document = upgraded(document)
    try:
        return Plan.model_validate(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise BadPlan(f"The plan is damaged: {first['msg']} at `{key}`.", where, fix) from None


def load_plan(path: Path) -> Plan:
    """Read OUT.plan.json. Raises BadPlan."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadPlan(f"The plan cannot be read: {problem}", str(path), "Check the path.") from None
    return parse_plan(text, str(path))
