"""Kill a command before each of its changes to the disk, and look at what lies there afterwards.

`python -m tests.fuzz.kill_points [NAME ...]` prints a line for each command and ends with 1 when a
state was not allowed. Python tells an audit hook of every file that is opened for writing, renamed,
linked or removed: the n-th of these is not done, the process gets SIGKILL instead. Each try runs in
a fork of one process that has imported everything, since importing takes longer than the work.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx

from edgeq.cli.main import main as edgeq
from edgeq.errors import EdgeqError
from edgeq.io import file_set
from edgeq.io.load import load_model
from edgeq.io.marks import marked_for, stale_beside
from edgeq.io.stamps import sha256_of
from tests.small_models import CONV_WEIGHTS, text_model

#: name of a file -> its content
State = dict[str, bytes]
#: operations of Python's audit events that change the disk, beside `open`
_CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink")
#: contents that tell times, and so differ from run to run
_TIMED = (".json", ".ckpt", ".html", ".jsonl")
INPUTS = ("a.onnx", "b.onnx", "calib.npz", "int8.onnx", "tables.onnx")

FULLY = """<ir_version: 8, opset_import: ["": 13]>
net (float[1, 3, 8, 8] x) => (float[1, 10] y) {
  [conv] c = Conv<pads=[1, 1, 1, 1]>(x, w, b)
  [relu] r = Relu(c)
  [flat] f = Flatten(r)
  [fc] y = Gemm(f, k)
}"""


@dataclass(frozen=True)
class Case:
    """A command that writes, run over what the same command wrote for another model."""

    name: str
    #: the command's words; MODEL is replaced by a.onnx, and then by b.onnx
    words: tuple[str, ...]
    #: the model file that vouches for the others; None: the files belong to no model
    model: str | None
    #: whether weights go to a data file
    external: bool = False
    #: the words of a command that makes its input; none: it reads what make_inputs writes
    made_from: tuple[str, ...] = ()


CASES = (
    Case("quantize", ("quantize", "MODEL", "-d", "calib.npz", "-o", "o.onnx", "--report", "o.json"), "o.onnx"),
    Case("external", ("quantize", "MODEL", "-d", "calib.npz", "-o", "o.onnx", "--no-prove"), "o.onnx", external=True),
    Case(
        "tflite",
        ("quantize", "MODEL", "-d", "calib.npz", "-o", "o.tflite", "-t", "mcu_tflite", "--golden", "2", "--emit", "c", "--no-prove"),
        "o.tflite",
    ),
    Case("ort", ("quantize", "MODEL", "-d", "calib.npz", "-o", "o.onnx", "--emit", "ort", "--no-prove"), "o.onnx"),
    Case("palettize", ("palettize", "MODEL", "--bits", "4", "-o", "o.onnx", "--report", "o.json"), "o.onnx"),
    Case(
        "finetune",
        ("finetune", "MODEL", "-d", "calib.npz", "--prefer", "integers", "--epochs", "2", "-o", "o.onnx", "--no-prove"),
        "o.onnx",
    ),
    Case("calibrate", ("calibrate", "MODEL", "-d", "calib.npz", "-o", "o.npz"), None),
    Case(
        "convert",
        ("convert", "int8.onnx", "-o", "o.c", "--no-prove"),
        None,
        made_from=("quantize", "a.onnx", "-d", "calib.npz", "-o", "int8.onnx", "-t", "mcu_tflite", "--no-prove", "--no-plan"),
    ),
    Case(
        "materialize",
        ("materialize", "tables.onnx", "-o", "o.onnx"),
        "o.onnx",
        made_from=("palettize", "a.onnx", "--bits", "4", "-o", "tables.onnx"),
    ),
    Case("init", ("init", "MODEL", "-o", "."), None),
)


def make_inputs(folder: Path) -> None:
    """Two models of one form with other weights, and data for both."""
    rng = np.random.default_rng(0)
    others = {name: (array + rng.normal(size=array.shape) / 9).astype(np.float32) for name, array in CONV_WEIGHTS.items()}
    onnx.save(text_model(FULLY, CONV_WEIGHTS), folder / "a.onnx")
    onnx.save(text_model(FULLY, others), folder / "b.onnx")
    np.savez(folder / "calib.npz", x=rng.normal(size=(8, 1, 3, 8, 8)).astype(np.float32))


def forked(folder: Path, words: Sequence[str], *, dies_at: int = 0, external: bool = False) -> int:
    """Run a command in a fork, in this folder; returns its exit code, or 0 - signal.

    dies_at: the number of the change to the disk, from 1 on, before which it dies.
    """
    process = os.fork()
    if process == 0:
        try:
            os.chdir(folder)
            tempfile.tempdir = str(folder / "tmp")
            if external:
                file_set.IN_ONE_FILE_BYTES = 0
            if dies_at:
                sys.addaudithook(_deadly(dies_at))
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 2)
            os.dup2(silent, 1)
            os._exit(edgeq([*words, "-q"]))
        finally:
            os._exit(70)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _deadly(at: int) -> Callable[[str, tuple[object, ...]], None]:
    seen = 0

    def hook(event: str, values: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in _CHANGES and not (event == "open" and _writes(values)):
            return
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook


def _writes(values: tuple[object, ...]) -> bool:
    path, _, flags = values
    writing = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return writing and path != os.devnull and not isinstance(path, int)


def state_of(folder: Path) -> State:
    """The files in the folder but for those in its tmp/."""
    paths = (path for path in folder.rglob("*") if path.is_file() and "tmp" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def flaws(case: Case, folder: Path, old: State, new: State) -> Iterator[str]:
    """What is wrong with a folder in which the command was killed."""
    now = {name: content for name, content in state_of(folder).items() if not name.startswith(".edgeq-tmp-")}
    yield from (f"the input {name} changed" for name in INPUTS if now.get(name) != old.get(name))
    for name in sorted(now.keys() - set(INPUTS)):
        if name.endswith(_TIMED):
            yield from _unreadable(folder / name)
        elif now[name] not in (old.get(name), new.get(name)):
            yield f"{name} is neither the old file nor the new one"
    yield from (f"{name} is gone" for name in sorted((old.keys() & new.keys()) - now.keys()))
    if case.model is not None and case.model in now:
        yield from _mixed(case.model, folder, now)


def _unreadable(path: Path) -> Iterator[str]:
    if path.suffix == ".json":
        try:
            json.loads(path.read_text())
        except ValueError as error:
            yield f"{path.name} is half written: {error}"


def _mixed(model: str, folder: Path, now: State) -> Iterator[str]:
    """Side files of another model that nobody names, and weights that are not the model's."""
    mark = sha256_of(folder / model).hex()
    others = {path for path in map(folder.joinpath, now) if marked_for(path) not in (None, mark)} - {folder / name for name in INPUTS}
    silent = others - {*stale_beside(folder / model), folder / "o.json"}  # a report is for people, and says itself what it is about
    yield from (f"{path.name} is of another model, and not named" for path in sorted(silent))
    if model.endswith(".onnx"):
        try:
            load_model(folder / model, quantized=True)
        except EdgeqError as error:
            yield f"{model} cannot be read: {error.what}"


def tried(case: Case, room: Path, first: int = 1, step: int = 1) -> tuple[int, list[str]]:
    """Kill the command at every step-th of its changes; returns how many tries and the flaws."""
    over = (*case.words, "--force")
    (room / "tmp").mkdir(exist_ok=True)
    before = [word.replace("MODEL", "a.onnx") for word in over]
    after = [word.replace("MODEL", "b.onnx") for word in over]
    assert forked(room, before, external=case.external) == 0, case.name
    old, found, tries = state_of(room), [], 0
    whole = _copy(room, "whole")
    assert forked(whole, after, external=case.external) == 0, case.name
    new = state_of(whole)
    at, code = first, -signal.SIGKILL
    while code == -signal.SIGKILL:
        here = _copy(room, "here")
        code = forked(here, after, dies_at=at, external=case.external)
        tries += 1
        found += [f"killed at {at}: {flaw}" for flaw in flaws(case, here, old, new)]
        again = forked(here, after, external=case.external)
        left = state_of(here)
        if again != 0 or left.keys() != new.keys() or list((here / "tmp").glob("*edgeq-tmp-*")):
            odd = sorted(left.keys() ^ new.keys())
            found.append(f"killed at {at}: the next run ends with {again}, leaves {odd} or temporaries of ours")
        at += step
    return tries, found


def _copy(room: Path, name: str) -> Path:
    target = room.with_name(f"{room.name}-{name}")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(room, target)
    return target


def import_for(case: Case) -> None:
    """Import here what the forks would import; no thread may run yet."""
    modules = ("edgeq.cli.app.commands", "edgeq.io.load", "edgeq.data.set_toml", "edgeq.schema.recipe_template")
    if case.name != "init":
        modules = (*modules, "edgeq.api", "edgeq.foreign.convert", "edgeq.cli.palettize.run", "onnxruntime")
    if case.name == "finetune":
        modules = (*modules, "torch")
    for name in modules:
        import_module(name)


def main(names: Sequence[str]) -> int:
    """Try the commands of these names (none: all); returns 1 when a state was not allowed."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs"
        (inputs / "tmp").mkdir(parents=True)
        make_inputs(inputs)
        for case in CASES:
            if not names or case.name in names:
                import_for(case)
                room = _copy(inputs, case.name)
                if case.made_from:
                    assert forked(room, case.made_from) == 0
                tries, found = tried(case, room)
                lines = [f"{case.name}: killed at {tries - 1} points, {len(found)} flaws", *found]
                sys.stdout.write("".join(f"{line}\n" for line in lines))
                sys.stdout.flush()
                bad += len(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
