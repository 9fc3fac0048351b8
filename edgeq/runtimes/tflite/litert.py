"""LiteRT (ai-edge-litert), with its reference kernels or with XNNPACK as on phones.

This file is its only importer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal, get_args

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port, as_float, as_int
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Opened, Request, Runtime
from edgeq.runtimes.tflite.off_terminal import off_terminal
from edgeq.runtimes.tflite.rehearse import rehearse

Kernels = Literal["reference", "xnnpack"]
KERNELS: tuple[Kernels, ...] = get_args(Kernels)
_INTEGERS = ("int8", "uint8", "int16", "int32", "int64", "bool")


class LiteRt:
    """A .tflite model opened in LiteRT on one thread.

    kernels: "reference" means the kernels of the specification, "xnnpack" those that phones run.
    """

    def __init__(self, model: bytes, kernels: Kernels) -> None:
        """Raises MissingExtra, and RuntimeRefused when LiteRT does not accept the model."""
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError:
            raise RUNTIME.missing() from None
        self._kernels = "builtin" if kernels == "xnnpack" else kernels
        way = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
        try:
            with off_terminal():
                self._interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=way)
                self._interpreter.allocate_tensors()
        except Exception as error:  # a damaged file can raise anything
            raise RuntimeRefused(f"LiteRT refuses the model: {error}", "litert", "Check it: edgeq check --target mcu_tflite.") from error
        self.inputs = tuple(_port(details) for details in self._interpreter.get_input_details())
        self.outputs = tuple(_port(details) for details in self._interpreter.get_output_details())
        self._places = [details["index"] for details in self._interpreter.get_input_details()]
        self._results = [details["index"] for details in self._interpreter.get_output_details()]

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        """Raises RuntimeRefused where a kernel fails on the arrays."""
        try:
            for place, array in zip(self._places, arrays, strict=True):
                self._interpreter.set_tensor(place, np.ascontiguousarray(array))
            self._interpreter.invoke()
        except Exception as error:  # whatever its kernels raise
            raise RuntimeRefused(
                f"LiteRT does not run the model: {error}", "litert", "Check it: edgeq check --target mcu_tflite."
            ) from error
        return [np.array(self._interpreter.get_tensor(place)) for place in self._results]

    def operators(self) -> tuple[RanOperator, ...]:
        """The operators of the plan that LiteRT made, read from it.

        An operator that a delegate has taken is listed with the kernel XNNPACK.
        """
        types = {details["index"]: np.dtype(details["dtype"]).name for details in self._interpreter.get_tensor_details()}
        found: list[dict[str, Any]] = self._interpreter._get_ops_details()
        delegates = [op for op in found if op["op_name"] == "DELEGATE"]
        own = [op for op in found if op["op_name"] != "DELEGATE"]
        taken = _taken(own, delegates)
        rows = []
        for place, op in enumerate(own):
            kinds = [types.get(place, "float32") for place in (*op["inputs"], *op["outputs"]) if place >= 0]
            kernel = "XNNPACK" if place in taken else f"LiteRT {self._kernels}"
            rows.append(RanOperator(str(op["op_name"]), all(kind in _INTEGERS for kind in kinds), kernel))
        return tuple(rows)


def _taken(operators: list[dict[str, Any]], delegates: list[dict[str, Any]]) -> set[int]:
    """Indices of the operators that delegates replace.

    They are those between the outputs and the inputs of a delegate.
    """
    makers = {tensor: place for place, op in enumerate(operators) for tensor in op["outputs"]}
    found: set[int] = set()
    for delegate in delegates:
        ends, queue = set(delegate["inputs"]), list(delegate["outputs"])
        while queue:
            place = makers.get(queue.pop())
            if place is not None and place not in found:
                found.add(place)
                queue.extend(tensor for tensor in operators[place]["inputs"] if tensor not in ends)
    return found


def _port(details: dict[str, Any]) -> Port:
    quantization = details["quantization_parameters"]
    shape = tuple(int(size) for size in details["shape"])
    name, dtype = str(details["name"]), np.dtype(details["dtype"]).name
    return Port(name, shape, dtype, as_float(quantization["scales"]), as_int(quantization["zero_points"]))


def _open(request: Request) -> Generator[Opened, None, None]:
    if RUNTIME.installed:
        rehearse("litert", request.model, request.inputs, request.outputs)
    for kernels in KERNELS:
        opened = LiteRt(request.model, kernels)
        yield Opened(kernels, opened.operators(), opened)


RUNTIME = Runtime(
    name="litert",
    package="ai-edge-litert",
    module="ai_edge_litert",
    takes="tflite",
    told="read from LiteRT: operators, their tensors' types, and who takes them",
    open=_open,
)
