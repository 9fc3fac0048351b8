"""OpenVINO on the CPU; the precision of every primitive is read from its runtime model.

This file is its only importer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Opened, Request, Runtime

#: layer types of OpenVINO's runtime model that compute nothing
_NOTHING = ("Const", "Parameter", "Result", "Input", "Output", "Reorder")


class OpenVino:
    """An ONNX model compiled by OpenVINO for the CPU, with one thread and without bfloat16."""

    def __init__(self, model: bytes) -> None:
        """Raises MissingExtra, and RuntimeRefused when OpenVINO does not accept the model."""
        try:
            import openvino
        except ImportError:
            raise RUNTIME.missing() from None
        try:
            core = openvino.Core()
            options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
            self._compiled = core.compile_model(core.read_model(model), "CPU", options)
        except Exception as error:  # a damaged file can raise anything
            line = str(error).strip().splitlines()[-1]
            raise RuntimeRefused(f"OpenVINO refuses the model: {line}", "openvino", "Check it: edgeq check --target openvino.") from error
        self.inputs = tuple(_port(value) for value in self._compiled.inputs)
        self.outputs = tuple(_port(value) for value in self._compiled.outputs)

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        found = self._compiled(list(arrays))
        return [np.array(found[place]) for place in range(len(self.outputs))]

    def operators(self) -> tuple[RanOperator, ...]:
        """One row per primitive; it is integer when its type ends in I8 or U8.

        OpenVINO names a primitive's type after the precision that it computes in.
        """
        rows = []
        for op in self._compiled.get_runtime_model().get_ops():
            told = op.get_rt_info()
            layer, primitive = (str(_value(told, key)) for key in ("layerType", "primitiveType"))
            if layer not in _NOTHING and primitive:
                rows.append(RanOperator(layer, primitive.upper().endswith(("I8", "U8")), primitive))
        return tuple(rows)


def _value(told: object, key: str) -> object:
    found = told[key] if key in told else ""  # type: ignore[index,operator]  # noqa: SIM401  # OpenVINO's map has no get
    return getattr(found, "value", found)


def _port(value: object) -> Port:
    name, shape = value.get_any_name(), value.get_partial_shape()  # type: ignore[attr-defined]
    sizes = tuple(int(size.get_length()) if size.is_static else 0 for size in shape)
    return Port(str(name), sizes, "float32", 0.0, 0)


def _open(request: Request) -> Generator[Opened, None, None]:
    opened = OpenVino(request.model)
    yield Opened(operators=opened.operators(), model=opened)


RUNTIME = Runtime(
    name="openvino",
    package="openvino",
    module="openvino",
    takes="onnx",
    told="read from OpenVINO: the precision of every primitive of its runtime model",
    open=_open,
)
