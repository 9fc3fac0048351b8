"""Open models in onnxruntime on the CPU and run them.

onnxruntime is imported here only (and in qnn.py, as the host of a plug-in), when a session opens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import onnx_ir as ir

from edgeq.errors import BadModel, RuntimeRefused
from edgeq.graph.signature import InputSpec, input_specs
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort_source import Source, source_of
from edgeq.runtimes.ort_values import Values, type_spec

if TYPE_CHECKING:
    import onnxruntime as ort  # type: ignore[import-untyped]  # ships no types

Optimize = Literal["off", "basic", "extended", "all"]

#: weights of at least this size are stored in a file beside the saved optimized graph
EXTERNAL_FROM_BYTES = 1024

_FEEDS = "Check the shapes and dtypes of the data against `edgeq inspect`; if they are right, no data runs: correct the named node."
_LEVELS: dict[Optimize, str] = {
    "off": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
#: how onnxruntime names the node at fault in its messages
_NODE = re.compile(
    r"""Name:'([^']+)'|node with name '([^']+)'|In Node, \("?([^",]+)"?, \w+|in node \(([^)]+)\)|Node \(([^)]+)\)""",
)


@dataclass(frozen=True, eq=False)
class Session:
    """A model opened in onnxruntime on the CPU. Make one with open_session."""

    #: the inputs, as precisely as they are known
    inputs: tuple[InputSpec, ...]
    #: names of the outputs, in order
    outputs: tuple[str, ...]
    #: threads of one operator; 0: the number was left to onnxruntime
    threads: int
    _session: ort.InferenceSession
    _values: Values
    _where: str
    # its files and arrays must outlive the session
    _source: Source

    def run(self, feeds: Mapping[str, AnyArray], outputs: Sequence[str] | None = None) -> list[AnyArray]:
        """Run once; returns the named outputs (default: all) in order.

        feeds: an array per input, of its dtype and shape; a sequence of tensors as one array,
        stacked along axis 0. Every output arrives as an array too, whatever it is in the model:
        see output_array (edgeq/runtimes/ort_values.py). Raises RuntimeRefused when onnxruntime
        cannot run these feeds; ValueError for an output that the model does not have.
        """
        missing = [spec.name for spec in self.inputs if spec.name not in feeds]
        if missing:
            raise RuntimeRefused("A model input has no feed.", f"{self._where}, input {missing[0]}", "Give an array for every model input.")
        names = list(self.outputs if outputs is None else outputs)
        try:
            return self._values.run(self._session, names, feeds)
        except UnicodeDecodeError as error:
            what = f"An output of the model is text that is not UTF-8: {error}"
            raise RuntimeRefused(what, self._where, "Correct the text in the model, or leave that output out of the export.") from error
        except ValueError:
            raise
        except Exception as error:  # onnxruntime's exception classes have no common base
            raise _refused(error, self._where, _FEEDS) from error

    @property
    def tensors(self) -> frozenset[str]:
        """The names of the outputs that are tensors, and no sequences, maps or optional values."""
        return frozenset(name for name, kind in self._values.outputs.items() if kind.startswith("tensor("))

    def end_profile(self) -> Path:
        """The file of the profile, which ends; the session was opened with one."""
        return Path(self._session.end_profiling())

    def close(self) -> None:
        """Remove the temporary folder of a large model now, before the session is collected."""
        if self._source.folder is not None:
            self._source.folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_session(
    model: ir.Model | bytes | Path,
    *,
    threads: int = 0,
    optimize: Optimize = "all",
    optimized_path: Path | None = None,
    arena: bool = True,
    signed: bool = False,
    spin: bool = False,
    profile: Path | None = None,
) -> Session:
    """Open a model in onnxruntime's CPU provider: sequential, deterministic and silent.

    Errors arrive as exceptions only. threads: worker threads of one operator; 0 leaves the number
    to onnxruntime. optimize: its graph optimization level; integer kernels need "extended" or
    "all". optimized_path: where to save the optimized graph, with large weights beside it in
    <name>.data, or as one file in ORT format when the name ends in .ort. arena: whether the memory
    of values is kept for the next run, which is faster where they are small. signed: fuse signed
    activations as onnxruntime does on Arm; elsewhere it makes them unsigned first. spin: let idle
    threads spin within a run, as is onnxruntime's own default: it is faster, and takes whole cores
    for it. profile: how the name of a file with the times of kernels begins. Raises BadModel when
    the file is missing, RuntimeRefused when onnxruntime does not accept the model.
    """
    if isinstance(model, Path) and not model.is_file():
        raise BadModel("The model file does not exist.", str(model), "Check the path.")
    where = str(model) if isinstance(model, Path) else "the model in memory"
    source = source_of(model)
    options = _options(threads, optimize, optimized_path, signed)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    _point_to(options, source)
    options.enable_cpu_mem_arena = options.enable_mem_pattern = arena
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(source.model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exception classes have no common base
        given, made = (
            "Check the file with onnx.checker, or export it at an opset that this onnxruntime runs.",
            "Open your model in onnxruntime: if it runs, this is a bug in edgeq: report it with the model; else export it again.",
        )
        raise _refused(error, where, given if isinstance(model, Path) else made) from error
    exact = {spec.name: spec for spec in input_specs(model)} if isinstance(model, ir.Model) else {}
    inputs = tuple(exact.get(arg.name) or type_spec(arg.name, arg.type, arg.shape) for arg in session.get_inputs())
    return Session(inputs, tuple(arg.name for arg in session.get_outputs()), threads, session, Values.of(session), where, source)


def runtime_version() -> str:
    """The version of onnxruntime."""
    import onnxruntime as ort

    return str(ort.__version__)


def _options(threads: int, optimize: Optimize, optimized_path: Path | None, signed: bool) -> ort.SessionOptions:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[optimize])
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # every error also arrives as an exception, whose message is worded here: only fatal lines may
    # reach stderr
    options.log_severity_level = 4
    # threads that spin after a run take the core away from the statistics computed here, and from
    # the other session of a paired timing
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if signed:
        options.add_session_config_entry("session.qdqisint8allowed", "1")  # kOrtSessionOptionsQDQIsInt8Allowed
    if optimized_path is not None:
        options.optimized_model_filepath = str(optimized_path)
    if optimized_path is not None and optimized_path.suffix == ".ort":
        options.add_session_config_entry("session.save_model_format", "ORT")
    elif optimized_path is not None:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", optimized_path.name + ".data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", str(EXTERNAL_FROM_BYTES))
    return options


def _point_to(options: ort.SessionOptions, source: Source) -> None:
    """Say where the weights are that the bytes of a model refer to."""
    import onnxruntime as ort

    if source.weights is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(source.weights))
    if source.others:
        names, arrays = zip(*source.others, strict=True)
        options.add_external_initializers(list(names), [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays])


def _refused(error: Exception, where: str, fix: str) -> RuntimeRefused:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0]) if lines else type(error).__name__
    node = _NODE.search(str(error))
    named = next((group for group in node.groups() if group), None) if node else None
    return RuntimeRefused(f"onnxruntime refuses: {first}", where if named is None else f"{where}, node {named}", fix)
