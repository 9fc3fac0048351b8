"""Tests of the fuzz campaign: each wrong end of a run is seen, and a seed gives the same runs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
import typer

from edgeq.cli.app.commands import app
from tests.fuzz.cases import random_case
from tests.fuzz.damage.any_file import damage
from tests.fuzz.one_run import differs, digests
from tests.fuzz.option_values import OWN, VALUES, options_of
from tests.fuzz.supervisor import BROKEN, End, Limits, run
from tests.fuzz.valid.data_files import npz_for
from tests.fuzz.valid.models import feeds_of, random_model
from tests.fuzz.verdict import judge

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def endless() -> int:
    while True:
        pass


def waits() -> int:
    threading.Event().wait()
    return 0


def greedy() -> int:
    return len(bytearray(1 << 30)) * 0 + endless()


def leaves_a_process() -> int:
    subprocess.Popen([sys.executable, "-c", "while True: pass"])
    return 0


def fails() -> int:
    raise ValueError("mine")


def dies() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    return 0


@pytest.mark.parametrize(("work", "code", "number"), [(lambda: 0, 0, None), (lambda: 3, 3, None), (fails, BROKEN, None), (dies, None, 15)])
def test_how_a_run_ended_is_seen(work: Callable[[], int], code: int | None, number: int | None, tmp_path: Path) -> None:
    end = run(tmp_path, work, Limits())
    assert (end.code, end.signal, end.broke, end.left_processes) == (code, number, None, False)


def test_a_run_that_hangs_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, endless, Limits(seconds=0.2)).broke == "more than 0.2 s of processor time"


def test_a_run_that_waits_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, waits, Limits(seconds=20, patience=0.2)).broke == "more than 0.2 s"


def test_a_run_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    assert run(tmp_path, greedy, Limits(mebibytes=900)).broke == "more than 900 MiB of memory"


def test_a_process_that_outlives_its_run_is_seen_and_ended(tmp_path: Path) -> None:
    assert run(tmp_path, leaves_a_process, Limits()).left_processes


def test_a_run_works_in_its_folder_with_its_own_temporaries(tmp_path: Path) -> None:
    def work() -> int:
        import tempfile

        Path("here").touch()
        Path(tempfile.mkstemp()[1]).touch()
        sys.stdout.write("said")
        sys.stderr.write("warned")
        return 0

    end = run(tmp_path, work, Limits())
    assert (tmp_path / "run" / "here").exists()
    assert len(list((tmp_path / "run" / "tmp").iterdir())) == 1
    assert (end.stdout, end.stderr) == ("said", "warned")


# ------------------------------------------------------------------ verdicts


def ended(folder: Path, end: End, arguments: tuple[str, ...] = ("check", "in/m.onnx")) -> tuple[str, ...]:
    """The verdict on a run of one given file."""
    given = folder / "run" / "in"
    (given).mkdir(parents=True, exist_ok=True)
    (given / "m.onnx").write_bytes(b"model")
    (folder / "run" / "out").mkdir(exist_ok=True)
    (folder / "case.json").write_text(json.dumps({"arguments": arguments, "then": [], "digests": digests(given)}))
    (folder / "stage").write_text("command")
    return judge(folder, end).classes


def an_end(code: int | None = 0, stdout: str = "", stderr: str = "error: no\n  where: x\n  fix:   Mend it.\n", **others: object) -> End:
    fields = {"signal": None, "broke": None, "left_processes": False, "seconds": 0.1, "peak": 100, **others}
    return End(code=code, stdout=stdout, stderr=stderr, **fields)  # type: ignore[arg-type]


TRACE = 'Traceback (most recent call last):\n  File "/a/edgeq/io/load.py", line 3, in _read\nbug: This is a bug in edgeq: KeyError: 1\n'


@pytest.mark.parametrize(
    ("end", "wanted"),
    [
        (an_end(), ()),
        (an_end(2), ()),
        (an_end(3), ()),
        (an_end(1, stderr=TRACE), ("exit code 1: KeyError in edgeq/io/load.py:_read",)),
        (an_end(None, signal=11), ("signal 11 while command",)),
        (an_end(None, signal=9, broke="more than 30 s"), ("more than 30 s while command",)),
        (an_end(left_processes=True), ("a process was left behind",)),
        (an_end(2, stderr="error: no\n  where: x\n  fix:   \n"), ("exit code 2 without a fix",)),
        (an_end(2, stderr="Usage: edgeq check\nError: no such option\n"), ()),
        (an_end(stdout="a\x1bb"), ("the control character '\\x1b' is printed",)),
        (an_end(stderr="ERROR: Created TensorFlow Lite delegate\n"), ("a library speaks: ERROR: Created TensorFlow Lite delegate",)),
        (an_end(70, stderr="ValueError: mine"), ("the campaign itself failed at stage 'command': ValueError: mine",)),
    ],
)
def test_a_wrong_end_has_a_class(end: End, wanted: tuple[str, ...], tmp_path: Path) -> None:
    assert ended(tmp_path, end) == wanted


def test_what_is_not_json_is_seen(tmp_path: Path) -> None:
    arguments = ("inspect", "in/m.onnx", "--json")
    assert ended(tmp_path, an_end(stdout="{}"), arguments) == ()
    assert ended(tmp_path, an_end(stdout="{} and more"), arguments) == ("--json printed no JSON",)


@pytest.mark.parametrize(
    ("path", "code", "wanted"),
    [
        ("out/q.onnx", 0, ()),
        ("out/q.onnx", 2, ("written although the run failed: out/q.onnx",)),
        ("out/.q.onnx.edgeq-tmp-12-ab", 0, ("left behind: out/.q.onnx.edgeq-tmp-N-ab",)),
        ("tmp/edgeq-simplify-1/in.onnx", 0, ("left behind: tmp/edgeq-simplify-N/in.onnx",)),
        ("stray", 0, ("left behind: stray",)),
    ],
)
def test_files_that_should_not_be_there_are_seen(path: str, code: int, wanted: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "run" / path
    file.parent.mkdir(parents=True)
    file.touch()
    assert ended(tmp_path, an_end(code)) == wanted


def test_a_changed_input_is_seen(tmp_path: Path) -> None:
    ended(tmp_path, an_end())
    (tmp_path / "run" / "in" / "m.onnx").write_bytes(b"other")
    assert judge(tmp_path, an_end()).classes == ("a file that was given has changed",)


def test_a_written_model_that_a_runtime_refuses_is_seen(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text("onnxruntime refuses q.onnx: Fail: node 'a' 17")
    assert ended(tmp_path, an_end()) == ("onnxruntime refuses q.onnx: Fail: node '...' N",)


def test_what_a_first_command_wrote_is_not_laid_to_the_second(tmp_path: Path) -> None:
    (tmp_path / "run" / "out").mkdir(parents=True)
    (tmp_path / "run" / "out" / "q.onnx").touch()
    (tmp_path / "first").write_text('["q.onnx"]')
    assert ended(tmp_path, an_end(2)) == ()
    (tmp_path / "run" / "out" / "again.onnx").touch()
    assert ended(tmp_path, an_end(2)) == ("written although the run failed: out/again.onnx",)


def test_a_repetition_that_gives_other_bytes_is_seen(tmp_path: Path) -> None:
    first, again = tmp_path / "q.onnx", tmp_path / "again.onnx"
    model = onnx.ModelProto(producer_name="edgeq")
    first.write_bytes(model.SerializeToString())
    assert differs(first, again) == []  # there was no second run
    model.metadata_props.add(key="edgeq.gate", value="passed")
    again.write_bytes(model.SerializeToString())
    assert differs(first, again) == []  # the first had no floors
    model.metadata_props.add(key="edgeq.plan", value="1")
    again.write_bytes(model.SerializeToString())
    assert differs(first, again) == ["again.onnx has other bytes than q.onnx"]


# ------------------------------------------------------------------ generators


def test_a_seed_gives_the_same_case() -> None:
    for index in range(40):
        first, again = (random_case(Random(f"5/{index}"), {}) for _ in range(2))
        assert (first.arguments, first.then, first.files) == (again.arguments, again.then, again.files)


def test_most_random_models_are_valid() -> None:
    """Else a campaign tries nothing but the checks of the loader."""
    valid, operators = 0, set()
    for index in range(100):
        model = random_model(Random(index))
        operators.update(node.op_type for node in model.graph.node)
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError:
            continue
        valid += 1
    assert valid > 80
    assert len(operators) > 50


def test_random_data_fits_its_model() -> None:
    for index in range(30):
        feeds = feeds_of(random_model(Random(index)))
        with np.load(io.BytesIO(npz_for(Random(index), feeds, 4))) as arrays:
            assert {name: arrays[name].dtype for name in feeds} == {name: element for name, (element, _) in feeds.items()}


@pytest.mark.parametrize("name", ["m.onnx", "d.npz", "p.json", "t.toml", "m.tflite", "r.ckpt", "a.npy"])
def test_damage_changes_a_file_and_never_fails(name: str) -> None:
    model = random_model(Random(1))
    texts = {"json": b'{"a": {"b": [1, 2.5, "c"]}}', "toml": b'a = 1\n[b]\nc = "d"\n'}
    data = {"onnx": model.SerializeToString(), "npz": npz_for(Random(1), feeds_of(model), 4), **texts}.get(
        name.partition(".")[2], bytes(range(99))
    )
    changed = 0
    for seed in range(150):
        files = {name: data}
        damage(Random(seed), files, name)
        changed += files.get(name) != data
    assert changed > 100


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_random_values(command: str) -> None:
    """A new option is tried from its first day: give it values in tests/fuzz/option_values.py."""
    assert [name for name, flag in options_of(command).items() if not flag and name not in VALUES and name not in OWN] == []


@pytest.mark.slow
def test_a_small_campaign_finds_nothing() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--runs", "10", "--seed", "1"]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert (done.returncode, "10 runs, 0 classes" in done.stdout) == (0, True), done.stdout + done.stderr
