"""One operator between two layers, as the laws of targets try it, and the constants it reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edgeq.numerics.arrays import F32, I64, AnyArray

#: shape of one sample of an image, and of a line, without the batch
IMAGE = (8, 6, 6)
LINE = (8, 12)
#: initializers by name
Constants = dict[str, AnyArray]


@dataclass(frozen=True, eq=False)
class Case:
    """One operator between two layers."""

    name: str
    #: ONNX text that makes `b` of `a` (and of `c`, a second layer's output); the operator under
    #: test is the node [op]
    nodes: str
    #: initializers by name
    constants: Constants = field(default_factory=dict)
    #: shape of a sample of the network's input x
    image: tuple[int, ...] = IMAGE
    opset: int = 17

    def __str__(self) -> str:
        return self.name


def ints(*numbers: int) -> I64:
    """A list of indices, axes or sizes."""
    return np.array(numbers, np.int64)


def floats(*shape: int, seed: int = 1) -> F32:
    """Normal weights that keep the size of what they are multiplied with."""
    numbers = np.random.default_rng(seed).normal(size=shape) / math.sqrt(math.prod(shape[1:]))
    return numbers.astype(np.float32)


def number(value: float) -> F32:
    """A scalar."""
    return np.array(value, np.float32)
