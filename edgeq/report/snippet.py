"""Write the Python code that a user needs to run the int8 model."""

from __future__ import annotations

import json
import keyword

from edgeq.report.report import Port, Report


def snippet(report: Report, out: str) -> str:
    """Python code that runs the int8 model.

    It sets the optimization level that integer kernels need, and says what each input becomes.
    """
    if out.endswith(".tflite"):
        return _litert(report, out)
    lines = [
        "import onnxruntime as ort",
        "",
        "options = ort.SessionOptions()",
        "# integer kernels need ORT_ENABLE_EXTENDED or ORT_ENABLE_ALL",
        "options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL",
        f"session = ort.InferenceSession({json.dumps(out)}, options)",
        *(f"# {line}" for port in report.inputs for line in _input_lines(port)),
        f"outputs = session.run(None, {{{', '.join(f'{json.dumps(port.name)}: {_variable(port)}' for port in report.inputs)}}})",
    ]
    return "\n".join(lines)


def _litert(report: Report, out: str) -> str:
    """The same for LiteRT, where images have their channels last."""
    pixels = ", raw pixels uint8" if any(port.pixels for port in report.inputs) else ""
    lines = [
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        f"interpreter = Interpreter({json.dumps(out)})",
        "interpreter.allocate_tensors()",
        f"# one sample per run; images [1, H, W, C], codes int8{pixels}",
        *(f"# {line}" for port in report.inputs for line in _input_lines(port, "int32")),
    ]
    for place, port in enumerate(report.inputs):
        lines.append(f'interpreter.set_tensor(interpreter.get_input_details()[{place}]["index"], {_variable(port)})')
    lines += ["interpreter.invoke()", 'outputs = [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]']
    return "\n".join(lines)


def _input_lines(port: Port, index: str = "int64") -> list[str]:
    """What one input takes. index: the type of whole numbers that are no codes."""
    dtype = index if port.dtype == "int64" else port.dtype
    shape = "?" if port.shape is None else "[" + ", ".join("?" if size is None else str(size) for size in port.shape) + "]"
    lines = [f"{_variable(port)}: numpy {dtype} {shape}{', raw pixels 0..255' if port.pixels else ''}"]
    if port.scale is not None and port.dtype == port.grid:
        lines.append(f"  codes: clip(round(x / {port.scale:.9g}) + {port.zero_point})")
    elif port.scale is not None:
        lines.append(f"  becomes {port.grid} inside: scale {port.scale:.9g}, zero point {port.zero_point}")
    return lines


def _variable(port: Port) -> str:
    name = "".join(c if c.isalnum() else "_" for c in port.name)
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"x_{name}"
