"""Qualcomm's QNN HTP through onnxruntime's plug-in, onnxruntime-qnn.

It runs in the emulator that the x86-64 Linux wheel carries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.protocol import Port
from edgeq.runtimes.runtime import Opened, Request, Runtime

_PROVIDER = "QNNExecutionProvider"


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
        options.add_provider_for_devices(devices, {"backend_path": onnxruntime_qnn.get_qnn_htp_path()})
        try:
            self._session = ort.InferenceSession(model, options)
        except Exception as error:  # onnxruntime's exception classes have no common base
            line = str(error).strip().splitlines()[0]
            raise RuntimeRefused(f"QNN refuses the model: {line}", "qnn", "Check it: edgeq check --target qnn_htp.") from error
        self.inputs = tuple(Port(arg.name, (), "float32", 0.0, 0) for arg in self._session.get_inputs())
        self.outputs = tuple(Port(arg.name, (), "float32", 0.0, 0) for arg in self._session.get_outputs())

    def run(self, arrays: Sequence[AnyArray]) -> list[AnyArray]:
        feeds = {port.name: array for port, array in zip(self.inputs, arrays, strict=True)}
        return [np.asarray(array) for array in self._session.run(None, feeds)]


def _open(request: Request) -> Iterator[Opened]:
    yield Opened(model=Qnn(request.model))


RUNTIME = Runtime(
    name="qnn",
    package="onnxruntime-qnn",
    module="onnxruntime_qnn",
    takes="onnx",
    told="QNN lists no kernels: with the CPU fallback disabled every node is on the HTP, one sample per run, with the file's types",
    open=_open,
    kernel="HTP emulator",
)
