"""Write the Python code that a user needs to run the int8 model."""

from __future__ import annotations

import json
import keyword
from collections.abc import Sequence
from dataclasses import replace

from edgeq.integers.tflite.layout import order
from edgeq.report.report import Port, Report


def snippet(report: Report, out: str) -> str:
    """Python code that runs the int8 model.

    It sets the optimization level that integer kernels need, asks for the execution provider of the
    target, and says what each input becomes.
    """
    if out.endswith(".tflite"):
        return _litert(report, out)
    names = variables([port.name for port in report.inputs])
    provider = "" if report.provider is None else f', providers=["{report.provider}", "CPUExecutionProvider"]'
    feeds = (f"{json.dumps(port.name)}: {name}" for port, name in zip(report.inputs, names, strict=True))
    lines = [
        "import onnxruntime as ort",
        "",
        "options = ort.SessionOptions()",
        "# integer kernels need ORT_ENABLE_EXTENDED or ORT_ENABLE_ALL",
        "options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL",
        *(["# a provider that this onnxruntime lacks is left out with a warning"] if provider else []),
        f"session = ort.InferenceSession({json.dumps(out)}, options{provider})",
        *(f"# {line}" for port, name in zip(report.inputs, names, strict=True) for line in _input_lines(port, name)),
        f"outputs = session.run(None, {{{', '.join(feeds)}}})",
    ]
    return "\n".join(lines)


def _litert(report: Report, out: str) -> str:
    """The same for LiteRT, with the types and shapes of the .tflite file."""
    names = variables([port.name for port in report.inputs])
    lines = [
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        f"interpreter = Interpreter({json.dumps(out)})",
        "interpreter.allocate_tensors()",
        "# one sample per run; images have their channels last",
        *(f"# {line}" for port, name in zip(report.inputs, names, strict=True) for line in _input_lines(_in_tflite(port), name)),
    ]
    lines += [f'interpreter.set_tensor(interpreter.get_input_details()[{place}]["index"], {name})' for place, name in enumerate(names)]
    lines += ["interpreter.invoke()", 'outputs = [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]']
    return "\n".join(lines)


def _in_tflite(port: Port) -> Port:
    """The input as a .tflite file has it: indices of 32 bits, codes of int8, images channels last,
    and a batch of 1 where the model leaves it open.
    """
    indices = port.dtype in ("int64", "int32")
    lowered = port.grid == "uint8" and not port.pixels
    if lowered:
        port = replace(port, grid="int8", zero_point=(port.zero_point or 0) - 128)
    dtype = "int32" if indices else "int8" if lowered and port.dtype == "uint8" else port.dtype
    if not port.shape:
        return replace(port, dtype=dtype)
    shape = (port.shape[0] if isinstance(port.shape[0], int) else 1, *port.shape[1:])
    axes = range(len(shape)) if indices else order(len(shape))
    return replace(port, dtype=dtype, shape=tuple(shape[axis] for axis in axes))


def _input_lines(port: Port, name: str) -> list[str]:
    """What one input takes. name: its variable."""
    shape = "?" if port.shape is None else "[" + ", ".join("?" if size is None else str(size) for size in port.shape) + "]"
    lines = [f"{name}: numpy {port.dtype} {shape}{', raw pixels 0..255' if port.pixels else ''}"]
    if port.scale is not None and port.dtype == port.grid:
        lines.append(f"  codes: clip(round(x / {port.scale:.9g}) + {port.zero_point})")
    elif port.scale is not None:
        lines.append(f"  becomes {port.grid} inside: scale {port.scale:.9g}, zero point {port.zero_point}")
    return lines


def variables(names: Sequence[str]) -> list[str]:
    """A Python variable for each name, all different, and none of those that the code itself uses.

    >>> variables(["image", "in:0", "in.0", "class", "options"])
    ['image', 'in_0', 'in_0_2', 'x_class', 'x_options']
    """
    made: list[str] = []
    for name in names:
        plain = "".join(c if c.isalnum() else "_" for c in name)
        usable = plain.isidentifier() and not keyword.iskeyword(plain) and plain not in _USED
        base = plain if usable else f"x_{plain}"
        made.append(next(one for one in (base, *(f"{base}_{number}" for number in range(2, len(names) + 2))) if one not in made))
    return made


#: what the code itself is written with
_USED = ("ort", "options", "session", "outputs", "Interpreter", "interpreter", "one")
