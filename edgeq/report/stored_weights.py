"""The weights of a plan that are stored in one form, and how far they are from float."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import onnx_ir as ir

from edgeq.graph.read import constant, nodes
from edgeq.numerics.arrays import F32, AnyArray
from edgeq.numerics.grid import dequantize
from edgeq.passes.quantize.equalize import Equalize
from edgeq.passes.quantize.migrate_scales import migrated
from edgeq.schema.plan import Plan
from edgeq.schema.plan_parts.on_grid import OnGrid
from edgeq.schema.scaling import factors_of
from edgeq.schema.weights import weight_key

Form = TypeVar("Form", bound=OnGrid)


@dataclass(frozen=True, eq=False)
class StoredWeight(Generic[Form]):
    """A weight of a plan, before it is stored."""

    #: name of the node that reads it first
    node: str
    #: at which of its inputs
    index: int
    #: name of the value
    name: str
    #: the float weight
    weight: F32
    #: what the plan says of it
    how: Form

    @cached_property
    def codes(self) -> AnyArray:
        """Its codes as integers."""
        return self.how.integers(self.weight, f"weight {weight_key(self.node, self.index)}")

    @property
    def new(self) -> F32:
        """What the codes stand for."""
        return dequantize(self.codes, self.how.params)


def weights_stored(model: ir.Model, plan: Plan, form: type[Form], *, of_floats: bool = False) -> Iterator[StoredWeight[Form]]:
    """What a plan stores in this form, in graph order; a weight that nodes share comes again.

    model: the prepared float model. of_floats: also the weights of nodes that compute in float.
    """
    planned = {**plan.stored, **plan.weights} if of_floats else plan.weights
    if not any(isinstance(weight, form) for weight in planned.values()):
        return
    model = migrated(model, plan.factors).clone()
    Equalize(factors_of(plan.equalization))(model)
    for node in nodes(model):
        for index, value in enumerate(node.inputs):
            key = weight_key(node.name, index)
            how, array = planned.get(key), constant(value)
            if not isinstance(how, form) or array is None or value is None:
                continue
            weight = np.asarray(array, np.float32)
            yield StoredWeight(str(node.name), index, str(value.name), weight, how)


def weight_sqnr(weight: F32, new: F32) -> float:
    """10 log10(sum w^2 / sum (w - w')^2) in dB."""
    noise, energy = (float(np.square(one, dtype=np.float64).sum()) for one in (weight - new, weight))
    return float("inf") if noise == 0 else 10 * float(np.log10(energy / noise)) if energy else float("-inf")
