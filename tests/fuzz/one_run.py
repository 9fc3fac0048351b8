"""What happens inside one run: make the case, run the command, open what it wrote."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from random import Random

from edgeq.cli.main import main
from tests.fuzz.cases import AGAIN, Case, random_case
from tests.fuzz.valid.data_files import Files


def one_run(folder: Path, seed: int, index: int, corpus: Files) -> int:
    """Run case `index` of `seed` in the current folder; the exit code of the command.

    folder: takes notes for the verdict: case.json, the stage that was reached, and refused.
    """
    _stage(folder, "generate")
    case = random_case(Random(f"{seed}/{index}"), corpus)
    _write(case)
    note = {"arguments": case.arguments, "then": case.then, "digests": digests(Path("in"))}
    (folder / "case.json").write_text(json.dumps(note))
    _stage(folder, "command")
    code = main(case.arguments)
    if code == 0 and case.then:
        _stage(folder, "the second command")
        (folder / "first").write_text(json.dumps(sorted(digests(Path("out")))))
        code = main(case.then)
    sys.stdout.flush()
    if code in (0, 3):
        _stage(folder, "opening what was written")
        sys.stderr.flush()
        os.dup2(os.open(folder / "opened", os.O_WRONLY | os.O_CREAT), 2)  # what the runtimes say now is not edgeq's
        (folder / "refused").write_text("\n".join([*_refused(Path("out"), Path("in")), *differs(Path("out/q.onnx"), Path(AGAIN))]))
    _stage(folder, "done")
    return code


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _stage(folder: Path, name: str) -> None:
    (folder / "stage").write_text(name)


def _write(case: Case) -> None:
    Path("out").mkdir()
    Path("in").mkdir()
    for name, data in case.files.items():
        path = Path("in") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _refused(written: Path, given: Path) -> list[str]:
    """What onnx.checker or a runtime says against the models that were written."""
    found = []
    sound = all(_opens(path) is None for path in given.rglob("*.onnx"))  # else what edgeq wrote may be as bad as what it read
    for path in sorted(written.rglob("*.onnx")) if sound else ():
        said = (("onnx.checker", _checked(path)), ("onnxruntime", _opens(path)))
        found += [f"{by} refuses {path.name}: {why}" for by, why in said if why]
    for path in sorted(written.rglob("*.tflite")):
        found += [f"LiteRT refuses {path.name}: {why}" for why in [_interpreted(path)] if why]
    return found


def differs(first: Path, again: Path) -> list[str]:
    """Whether a plan or a repetition gave another file; only floors are no part of a plan."""
    if not first.exists() or not again.exists() or _without_gate(first) == _without_gate(again):
        return []
    return [f"{again.name} has other bytes than {first.name}"]


def _without_gate(path: Path) -> bytes:
    import onnx

    model = onnx.ModelProto.FromString(path.read_bytes())
    kept = [entry for entry in model.metadata_props if entry.key != "edgeq.gate"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return bytes(model.SerializeToString(deterministic=True))


def _checked(path: Path) -> str | None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # whatever it says against the model
        return _line(error)
    return None


def _opens(path: Path) -> str | None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return _line(error)
    return None


def _interpreted(path: Path) -> str | None:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    try:
        Interpreter(str(path)).allocate_tensors()
    except Exception as error:
        return _line(error)
    return None


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
