"""Convert a model to onnxruntime's ORT format, for builds with few operators.

The list of the operators that such a build must have comes with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgeq.io.temporaries import ScratchFolder
from edgeq.runtimes.ort import open_session
from edgeq.runtimes.ort_bytes import stable

#: key of the model's metadata in the .ort file
MARK_KEY = "edgeq.source"


@dataclass(frozen=True)
class OrtModel:
    """A model in ORT format."""

    #: content of the .ort file
    model: bytes
    #: onnxruntime's reduced-operator configuration: one line `domain;opset;names` per domain
    operators: str


def ort_format(model: ir.Model, mark: str = "") -> OrtModel:
    """Convert a model, optimized as far as every CPU can run it.

    Level "all" would choose layouts of this machine's CPU. mark: the model file that the result
    belongs to (edgeq/io/marks.py); it is kept in both. Raises RuntimeRefused.
    """
    if mark:
        model = model.clone()
        model.metadata_props[MARK_KEY] = mark
    with ScratchFolder() as folder:
        ort, optimized = folder / "model.ort", folder / "model.onnx"
        for path in (ort, optimized):
            open_session(model, optimize="extended", optimized_path=path).close()
        heading = f"# {mark}\n" if mark else ""
        return OrtModel(stable(ort.read_bytes()), heading + _operators(ir.load(optimized)))


def _operators(model: ir.Model) -> str:
    used: dict[str, set[str]] = {}
    for node in model.graph.all_nodes():
        used.setdefault(node.domain, set()).add(node.op_type)
    lines = {domain or "ai.onnx": f"{model.opset_imports[domain]};{','.join(sorted(names))}" for domain, names in used.items()}
    return "".join(f"{domain};{line}\n" for domain, line in sorted(lines.items()))
