"""Write the Python code that runs the written model: it runs as it is printed, on zeros."""

from __future__ import annotations

import builtins
import json
import keyword
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeq.integers.tflite.layout import tflite_shape
from edgeq.io.visible import visible
from edgeq.report.port import Port
from edgeq.report.report import Report
from edgeq.schema.provider import Provider

#: names that the code uses itself
_TAKEN = frozenset({"np", "ort", "options", "session", "outputs", "interpreter", "Interpreter", "devices", "feeds", *dir(builtins)})


def snippet(report: Report, out: str) -> str:
    """Python code that runs the int8 model.

    It sets what integer kernels need, says what each input becomes, and feeds zeros of the shape of
    the samples, or the first sample's own numbers where an input has few.
    """
    if out.endswith(".tflite"):
        return _litert([_in_tflite(port) for port in report.inputs], out)
    names = variables([port.name for port in report.inputs])
    foreign = [port for port in (*report.inputs, *report.outputs) if _foreign(port.dtype)]
    lines = ["import numpy as np", "import onnxruntime as ort"]
    lines += _cpu_session(out) if report.provider is None else _provider_session(report.provider, out)
    for port, name in zip(report.inputs, names, strict=True):
        lines += [*(f"# {line}" for line in _about(port)), f"{name} = {_value(port)}  # put your sample here"]
    feeds = ", ".join(f"{json.dumps(port.name)}: {name}" for port, name in zip(report.inputs, names, strict=True))
    if not foreign:
        return "\n".join([*lines, f"outputs = session.run(None, {{{feeds}}})"])
    lines.append("# numpy lacks a type of this model: values of onnxruntime go in and come out")
    lines.append(f"feeds = {{{feeds}}}")
    lines.append("feeds = {k: v if isinstance(v, ort.OrtValue) else ort.OrtValue.ortvalue_from_numpy(v) for k, v in feeds.items()}")
    return "\n".join([*lines, f"outputs = session.run_with_ort_values({json.dumps([port.name for port in report.outputs])}, feeds)"])


def _cpu_session(out: str) -> list[str]:
    return [
        "",
        "options = ort.SessionOptions()",
        "# integer kernels need ORT_ENABLE_EXTENDED or ORT_ENABLE_ALL",
        "options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL",
        f"session = ort.InferenceSession({json.dumps(out)}, options)",
    ]


def _provider_session(provider: Provider, out: str) -> list[str]:
    """A session of the provider; without it, onnxruntime warns and runs the model on the CPU."""
    if provider.package is None:
        chosen = [(provider.name, dict(provider.options)) if provider.options else provider.name, "CPUExecutionProvider"]
        return [
            "",
            f"# without {provider.name}, onnxruntime warns and runs all on the CPU; session.get_providers() tells",
            f"session = ort.InferenceSession({json.dumps(out)}, providers={chosen!r})",
        ]
    return [
        f"import {provider.package}  # brings {provider.name}",
        "",
        f"ort.register_execution_provider_library({provider.name!r}, {provider.package}.get_library_path())",
        f"devices = [one for one in ort.get_ep_devices() if one.ep_name == {provider.name!r}]",
        "options = ort.SessionOptions()",
        f"options.add_provider_for_devices(devices, {dict(provider.options)!r})",
        f"session = ort.InferenceSession({json.dumps(out)}, options)",
    ]


def _litert(inputs: Sequence[Port], out: str) -> str:
    """The same for LiteRT, which takes one sample a run. inputs: in the layout of the file."""
    pixels = ", raw pixels uint8" if any(port.pixels for port in inputs) else ""
    lines = [
        "import numpy as np",
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        f"interpreter = Interpreter({json.dumps(out)})",
        "interpreter.allocate_tensors()",
        f"# one sample a run; four axes are [1, H, W, C], codes are int8{pixels}",
    ]
    for place, (port, name) in enumerate(zip(inputs, variables([port.name for port in inputs]), strict=True)):
        lines += [*(f"# {line}" for line in _about(port)), f"{name} = {_value(port)}  # put your sample here"]
        lines.append(f'interpreter.set_tensor(interpreter.get_input_details()[{place}]["index"], {name})')
    lines += ["interpreter.invoke()", 'outputs = [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]']
    return "\n".join(lines)


def _in_tflite(port: Port) -> Port:
    """An input as the .tflite file has it: one sample, channels last, int8 codes, int32 indices."""
    indices = port.dtype in ("int64", "int32")
    sizes = None if port.shape is None else tuple(size if isinstance(size, int) else 1 for size in port.shape)
    shape = sizes if sizes is None or indices else tflite_shape(sizes)
    if port.dtype == "uint8" and port.grid == "uint8" and port.zero_point is not None:
        return replace(port, shape=shape, sample=shape, dtype="int8", grid="int8", zero_point=port.zero_point - 128)
    return replace(port, shape=shape, sample=shape, dtype="int32" if indices else port.dtype)


def _about(port: Port) -> list[str]:
    """What one input takes."""
    shape = "of any shape" if port.shape is None else "[" + ", ".join("?" if size is None else str(size) for size in port.shape) + "]"
    lines = [f"{visible(port.name)}: {port.dtype} {visible(shape)}{', raw pixels 0..255' if port.pixels else ''}"]
    if port.scale is not None and port.dtype == port.grid:
        lines.append(f"  codes: clip(round(x / {port.scale:.9g}) + {port.zero_point})")
    elif port.scale is not None:
        lines.append(f"  becomes {port.grid} inside: scale {port.scale:.9g}, zero point {port.zero_point}")
    return lines


def _value(port: Port) -> str:
    """An expression for what the input takes."""
    element = port.dtype.removeprefix("sequence of ").removeprefix("optional ")
    sizes = tuple(size if isinstance(size, int) and size > 0 else 1 for size in port.shape or ())
    shape = sizes if port.sample is None else port.sample
    if port.dtype.startswith("sequence of"):
        return f"[{_zeros(shape[1:], element)}] * {shape[0]}"
    if port.numbers and not _foreign(element) and math.prod(shape) == len(port.numbers):
        return f"np.array({list(port.numbers)!r}, {_dtype(element)}).reshape({shape})"
    return _zeros(shape, element)


def _zeros(shape: tuple[int, ...], element: str) -> str:
    if element == "text":
        return f'np.full({shape}, "text", object)'
    if not _foreign(element):
        return f"np.zeros({shape}, {_dtype(element)})"
    kind = ir.DataType[element.replace("_", "").upper()]
    room = "np.uint16" if kind.bitwidth == 16 else "np.uint8"
    return f"ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros({shape}, {room}), {int(kind)})"


def _dtype(element: str) -> str:
    return "np.bool_" if element == "bool" else f"np.{element}"


def _foreign(element: str) -> bool:
    """Whether numpy lacks the type: bfloat16, float8, integers of 4 bits."""
    return re.fullmatch(r"bfloat16|float\d\w*|u?int\d+", element) is not None and not hasattr(np, element)


def variables(names: Sequence[str]) -> list[str]:
    """A Python variable for each name, all different, and none of those that the code itself uses.

    >>> variables(["image", "in:0", "in.0", "class", "options"])
    ['image', 'in_0', 'in_0_2', 'x_class', 'x_options']
    """
    made: list[str] = []
    for name in names:
        plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
        usable = plain.isidentifier() and not keyword.iskeyword(plain) and plain not in _TAKEN
        base = plain if usable else f"x_{plain}"
        made.append(next(one for one in (base, *(f"{base}_{number}" for number in range(2, len(names) + 2))) if one not in made))
    return made
