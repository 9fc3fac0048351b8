"""The endings of files that are written, which name their form: checked before any work."""

from __future__ import annotations

from pathlib import Path

from edgeq.errors import BadOutput

#: the forms of a float model
FLOAT = (".onnx",)
#: the forms of an int8 model
INT8 = (".onnx", ".tflite")
#: the form of statistics
STATISTICS = (".npz",)
#: the form of a target
TARGET = (".toml",)

#: where other endings come from
_ELSEWHERE = {
    ".ort": "ONNX Runtime's .ort comes beside an .onnx with --emit ort.",
    ".c": "C source comes beside a .tflite with --emit c.",
}


def check_ending(out: Path, endings: tuple[str, ...]) -> None:
    """Refuse a path whose ending names no form that the command writes. Raises BadOutput."""
    if out.suffix in endings:
        return
    what = f"The ending {out.suffix!r} names no form that is written here." if out.suffix else "The output has no ending to name its form."
    known = f"Use {' or '.join(endings)}."
    near = f"{known} {_ELSEWHERE[out.suffix]}" if out.suffix in _ELSEWHERE and endings == INT8 else known
    raise BadOutput(what, str(out), near)


def plan_path(model: Path) -> Path:
    """The path of an int8 model's plan: model.int8.onnx -> model.int8.plan.json.

    Raises BadOutput for a path without a file name: the working folder, or the root.
    """
    if not model.name:
        raise BadOutput("The output path is a folder", str(model), "Name a file in it.")
    return model.with_suffix(".plan.json")
