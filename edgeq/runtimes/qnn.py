"""Qualcomm's QNN HTP through onnxruntime's plug-in, onnxruntime-qnn.

It runs in the emulator that the x86-64 Linux wheel carries. That every node is placed proves
little, for float nodes are placed too: the operators and their types are read from the graph that
the plug-in gives to QNN.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.io.temporaries import ScratchFolder
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.ran_operator import RanOperator
from edgeq.runtimes.runtime import Opened, Request, Runtime

_PROVIDER = "QNNExecutionProvider"
#: Qnn_DataType_t of QnnTypes.h, as the dumped graph writes them
_TYPES = {
    0x0008: "INT_8", 0x0032: "INT_32", 0x0064: "INT_64", 0x0108: "UINT_8", 0x0132: "UINT_32", 0x0164: "UINT_64",
    0x0216: "FLOAT_16", 0x0232: "FLOAT_32", 0x0308: "SFIXED_POINT_8", 0x0332: "SFIXED_POINT_32", 0x0408: "UFIXED_POINT_8",
    0x0416: "UFIXED_POINT_16", 0x0432: "UFIXED_POINT_32", 0x0508: "BOOL_8",
}  # fmt: skip
#: what stands where codes become real numbers, and the other way round
_CONVERSIONS = ("Quantize", "Dequantize")


class Qnn:
    """An ONNX model compiled for the HTP with the CPU fallback disabled.

    Every node is placed on the HTP, or the model is refused.
    """

    def __init__(self, model: bytes) -> None:
        """Raises MissingExtra, and RuntimeRefused when QNN does not place every node."""
        try:
            import onnxruntime as ort  # type: ignore[import-untyped]
            import onnxruntime_qnn
        except ImportError:
            raise RUNTIME.missing() from None
        if not [device for device in ort.get_ep_devices() if device.ep_name == _PROVIDER]:
            ort.register_execution_provider_library(_PROVIDER, onnxruntime_qnn.get_library_path())
        devices = [device for device in ort.get_ep_devices() if device.ep_name == _PROVIDER]
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        with ScratchFolder() as folder:
            backend = {"backend_path": onnxruntime_qnn.get_qnn_htp_path()}
            options.add_provider_for_devices(devices, {**backend, "dump_json_qnn_graph": "1", "json_qnn_graph_dir": str(folder)})
            try:
                self._session = ort.InferenceSession(model, options)
            except Exception as error:  # onnxruntime's exception classes have no common base
                line = str(error).strip().splitlines()[0]
                raise RuntimeRefused(f"QNN refuses the model: {line}", "qnn", "Check it: edgeq check --target qnn_htp.") from error
            self.operators = _operators(folder)
        self.inputs = tuple(Port(arg.name, (), "float32", 0.0, 0) for arg in self._session.get_inputs())
        self.outputs = tuple(Port(arg.name, (), "float32", 0.0, 0) for arg in self._session.get_outputs())

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        feeds = {port.name: array for port, array in zip(self.inputs, arrays, strict=True)}
        return [np.asarray(array) for array in self._session.run(None, feeds)]


def _operators(folder: Path) -> tuple[RanOperator, ...]:
    """The operators of the graphs that were dumped there, in their order; integer when no tensor of
    theirs is of real numbers.
    """
    found: list[RanOperator] = []
    for path in sorted(path for path in folder.glob("*.json") if not path.stem.endswith("_tensor_log")):
        graph = json.loads(path.read_text(encoding="utf-8"))["graph"]
        found.extend(_operator(node, graph["tensors"]) for node in graph["nodes"].values() if node["type"] not in _CONVERSIONS)
    return tuple(found)


def _operator(node: Mapping[str, object], tensors: Mapping[str, Mapping[str, object]]) -> RanOperator:
    names = [name for key in ("input_names", "output_names") for name in node[key] if name]  # type: ignore[attr-defined]
    types = [_type(tensors[name]) for name in names if name in tensors]
    real = next((word for word in types if word.startswith("FLOAT")), None)
    return RanOperator(str(node["type"]), real is None, real or types[-1])


def _type(tensor: Mapping[str, object]) -> str:
    number = int(str(tensor["data_type"]))
    return _TYPES.get(number, f"type {number:#06x}")


def _open(request: Request) -> Generator[Opened, None, None]:
    opened = Qnn(request.model)
    yield Opened(operators=opened.operators, model=opened)


RUNTIME = Runtime(
    name="qnn",
    package="onnxruntime-qnn",
    module="onnxruntime_qnn",
    takes="onnx",
    told="read from the graph that the plug-in gives to QNN: its operators and their types; the CPU fallback is disabled",
    open=_open,
)
