"""The real runtime behind one small door: this file is the only importer of onnxruntime, and
imports it when a session opens.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import onnx_ir as ir

from edgeq.errors import BadModel, RuntimeRefused
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.numerics.arrays import AnyArray

if TYPE_CHECKING:
    import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types

Optimize = Literal["off", "basic", "extended", "all"]

#: protobuf refuses messages of 2 GiB; graphs with more weights go through a folder with external
#: data
IN_MEMORY_BYTES = (1 << 31) - (1 << 26)
#: weights above this size leave the saved optimized graph for a file beside it
EXTERNAL_FROM_BYTES = 1024

_LEVELS: dict[Optimize, str] = {
    "off": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_NUMPY = {"float": "float32", "double": "float64"}
#: how onnxruntime names the guilty node in its messages
_NODE = re.compile(
    r"""Name:'([^']+)'|node with name '([^']+)'|In Node, \("?([^",]+)"?, \w+|in node \(([^)]+)\)|Node \(([^)]+)\)""",
)


@dataclass(frozen=True, eq=False)
class Session:
    """A model opened in onnxruntime on the CPU. Make one with open_session."""

    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]
    threads: int
    _session: ort.InferenceSession
    _where: str
    # large models lie in a temporary folder that must outlive the session; its finaliser removes it
    _folder: tempfile.TemporaryDirectory[str] | None

    def run(self, feeds: Mapping[str, AnyArray], outputs: Sequence[str] | None = None) -> list[AnyArray]:
        """One run. feeds: an array per input, of its dtype and shape. Returns the named outputs
        (default: all) in order.

        Raises RuntimeRefused when onnxruntime cannot run these feeds; ValueError for an output that
        the model does not have.
        """
        missing = [spec.name for spec in self.inputs if spec.name not in feeds]
        if missing:
            raise RuntimeRefused("A model input has no feed.", f"{self._where}, input {missing[0]}", "Give an array for every model input.")
        try:
            found = self._session.run(list(self.outputs if outputs is None else outputs), dict(feeds))
        except ValueError:
            raise
        except Exception as error:  # onnxruntime's exception classes have no common base
            raise _refused(error, self._where, "Check the shapes and dtypes of the data against `edgeq inspect`.") from error
        return [np.asarray(array) for array in found]

    def close(self) -> None:
        """Give back the temporary folder of a large model now instead of when the session is
        collected.
        """
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_session(
    model: ir.Model | bytes | Path, *, threads: int = 0, optimize: Optimize = "all", optimized_path: Path | None = None
) -> Session:
    """Open a model in onnxruntime's CPU provider: sequential, deterministic, silent but for its
    exceptions.

    threads: worker threads of one operator; 0 leaves the choice to onnxruntime. optimize: its graph
    optimization level; integer kernels need "extended" or "all". optimized_path: save the optimized
    graph there (large weights beside it in <name>.data; one file in ORT format when its name ends
    in .ort). Raises BadModel when the file is missing, RuntimeRefused when onnxruntime does not
    accept the model.
    """
    if isinstance(model, Path) and not model.is_file():
        raise BadModel("The model file does not exist.", str(model), "Check the path.")
    where = str(model) if isinstance(model, Path) else "the model in memory"
    source, folder = _source(model)
    options = _options(threads, optimize, optimized_path)
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exception classes have no common base
        raise _refused(error, where, "Check the model with onnx.checker, or export it at an opset that this onnxruntime runs.") from error
    exact = {spec.name: spec for spec in input_specs(model)} if isinstance(model, ir.Model) else {}
    inputs = tuple(exact.get(arg.name) or _spec(arg.name, arg.type, arg.shape) for arg in session.get_inputs())
    return Session(inputs, tuple(arg.name for arg in session.get_outputs()), threads, session, where, folder)


def runtime_version() -> str:
    """onnxruntime's version."""
    import onnxruntime as ort

    return str(ort.__version__)


def _options(threads: int, optimize: Optimize, optimized_path: Path | None) -> ort.SessionOptions:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[optimize])
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # every error also arrives as an exception, which we word ourselves: only fatal lines may reach
    # stderr
    options.log_severity_level = 4
    # workers that spin after a run steal the core from our own statistics and from the other
    # session of a paired timing
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if optimized_path is not None:
        options.optimized_model_filepath = str(optimized_path)
    if optimized_path is not None and optimized_path.suffix == ".ort":
        options.add_session_config_entry("session.save_model_format", "ORT")
    elif optimized_path is not None:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", optimized_path.name + ".data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", str(EXTERNAL_FROM_BYTES))
    return options


def _source(model: ir.Model | bytes | Path) -> tuple[str | bytes, tempfile.TemporaryDirectory[str] | None]:
    """What InferenceSession takes: a path or bytes, and the folder that the path lies in when we
    made it.
    """
    if isinstance(model, Path):
        return str(model), None
    if isinstance(model, bytes):
        return model, None
    tensors = [value.const_value for graph in (model.graph, *model.graph.subgraphs()) for value in graph.initializers.values()]
    external = any(isinstance(tensor, ir.ExternalTensor) for tensor in tensors)
    if not external and sum(tensor.nbytes for tensor in tensors if tensor is not None) < IN_MEMORY_BYTES:
        return ir.to_proto(model).SerializeToString(), None
    folder = tempfile.TemporaryDirectory(prefix="edgeq-")
    path = Path(folder.name) / "model.onnx"
    ir.save(model, path, external_data="model.onnx.data")
    return str(path), folder


def _spec(name: str, type_text: str, shape: list[int | str | None]) -> InputSpec:
    """onnxruntime says 'tensor(float)'. It cannot tell a scalar from an unknown rank: both have the
    shape [].
    """
    inner = type_text.removeprefix("tensor(").removesuffix(")")
    return InputSpec(name, _NUMPY.get(inner, inner), tuple(shape))


def _refused(error: Exception, where: str, fix: str) -> RuntimeRefused:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0]) if lines else type(error).__name__
    node = _NODE.search(str(error))
    named = next((group for group in node.groups() if group), None) if node else None
    return RuntimeRefused(f"onnxruntime refuses: {first}", where if named is None else f"{where}, node {named}", fix)
