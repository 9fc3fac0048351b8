"""A model in onnxruntime's ORT format, for builds with few operators, and the list of the operators that such a build must have."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir

from edgeq.runtime import open_session


@dataclass(frozen=True)
class OrtModel:
    """model: the .ort file. operators: onnxruntime's reduced-operator configuration: a line `domain;opset;names` each."""

    model: bytes
    operators: str


def ort_format(model: ir.Model) -> OrtModel:
    """The model optimized as far as every CPU can run it: "all" would choose layouts of this machine's CPU. Raises RuntimeRefused."""
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        ort, optimized = Path(folder) / "model.ort", Path(folder) / "model.onnx"
        for path in (ort, optimized):
            open_session(model, optimize="extended", optimized_path=path).close()
        return OrtModel(ort.read_bytes(), _operators(onnx.load(str(optimized), load_external_data=False)))


def _operators(model: onnx.ModelProto) -> str:
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    used: dict[str, set[str]] = {}
    for node in _nodes(model.graph):
        used.setdefault(node.domain or "ai.onnx", set()).add(node.op_type)
    return "".join(f"{domain};{opsets[domain]};{','.join(sorted(names))}\n" for domain, names in sorted(used.items()))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _nodes(body)
