"""Convert a model to onnxruntime's ORT format, for builds with few operators.

The list of the operators that such a build must have comes with it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from edgeq.runtimes.ort import open_session
from edgeq.runtimes.ort_bytes import stable


@dataclass(frozen=True)
class OrtModel:
    """A model in ORT format."""

    #: content of the .ort file
    model: bytes
    #: onnxruntime's reduced-operator configuration: one line `domain;opset;names` per domain
    operators: str


def ort_format(model: ir.Model) -> OrtModel:
    """Convert a model, optimized as far as every CPU can run it.

    Level "all" would choose layouts of this machine's CPU. Raises RuntimeRefused.
    """
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        ort, optimized = Path(folder) / "model.ort", Path(folder) / "model.onnx"
        for path in (ort, optimized):
            open_session(model, optimize="extended", optimized_path=path).close()
        return OrtModel(stable(ort.read_bytes()), _operators(ir.load(optimized)))


def _operators(model: ir.Model) -> str:
    used: dict[str, set[str]] = {}
    for node in model.graph.all_nodes():
        used.setdefault(node.domain, set()).add(node.op_type)
    lines = {domain or "ai.onnx": f"{model.opset_imports[domain]};{','.join(sorted(names))}" for domain, names in used.items()}
    return "".join(f"{domain};{line}\n" for domain, line in sorted(lines.items()))
