"""Writing files: whole or not at all, never over what must stay, the same bytes each time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgeq.errors import BadOutput
from edgeq.io.load import load_model
from edgeq.io.output_path import check_output
from edgeq.io.save import atomic_write_text, save_model

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[N, 2] x) => (float[N, 3] y) <float[2, 3] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}> { y = MatMul(x, w) }
"""


def model() -> ir.Model:
    return ir.from_onnx_text(TEXT)


def with_weight(seed: int) -> ir.Model:
    """A model whose weight is large enough for external data."""
    made = model()
    array = np.random.default_rng(seed).normal(size=(2, 300)).astype(np.float32)
    made.graph.initializers["w"].const_value = ir.tensor(array, name="w")
    made.graph.initializers["w"].shape = ir.Shape(array.shape)
    made.graph.outputs[0].shape = ir.Shape(["N", 300])
    return made


def test_saves_a_valid_model_and_nothing_else(tmp_path: Path) -> None:
    save_model(model(), tmp_path / "m.onnx", force=False, inputs=[])
    onnx.checker.check_model(tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        save_model(model(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_does_not_overwrite_without_force(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("precious")
    with pytest.raises(BadOutput, match="exists already"):
        save_model(model(), path)
    assert path.read_text() == "precious"
    save_model(model(), path, force=True)
    assert load_model(path).model.graph.num_nodes() == 1


@pytest.mark.parametrize("kind", ["same", "spelling", "symlink", "hardlink"])
def test_never_writes_over_an_input(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "in.onnx"
    source.write_text("precious")
    out = tmp_path / "out.onnx"
    if kind == "symlink":
        out.symlink_to(source)
    elif kind == "hardlink":
        out.hardlink_to(source)
    else:
        out = source if kind == "same" else tmp_path / "." / ".." / tmp_path.name / "in.onnx"
    with pytest.raises(BadOutput, match="same file as an input"):
        save_model(model(), out, force=True, inputs=[source])
    assert source.read_text() == "precious"


def test_refuses_a_folder_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="is a folder"):
        save_model(model(), tmp_path)
    with pytest.raises(BadOutput, match="does not exist"):
        save_model(model(), tmp_path / "no" / "m.onnx")
    with pytest.raises(BadOutput, match="does not exist"):
        save_model(model(), tmp_path / "no\0name" / "m.onnx")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_refuses_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(BadOutput, match="not writable"):
        save_model(model(), folder / "m.onnx")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """A tensor that cannot be serialised stands for any failure while the file is being written."""
    broken = model()
    external = ir.ExternalTensor("gone.bin", 0, 2400, ir.DataType.FLOAT, shape=ir.Shape([2, 300]), name="w", base_dir=str(tmp_path))
    broken.graph.initializers["w"].const_value = external
    with pytest.raises(BadOutput, match="cannot be written"):
        save_model(broken, tmp_path / "m.onnx", external_data=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_leaves_nothing_at_the_path_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    """The process kills itself while its weights are being written: the moment that matters,
    without a race.
    """
    script = """
import os, signal, sys
from pathlib import Path
import onnx_ir as ir
from edgeq.io.save import save_model
class Deadly(ir.ExternalTensor):
    def tobytes(self):
        os.kill(os.getpid(), signal.SIGKILL)
model = ir.from_onnx_text(sys.argv[2])
model.graph.initializers["w"].const_value = Deadly("gone", 0, 2400, ir.DataType.FLOAT, shape=ir.Shape([2, 300]), name="w", base_dir="")
save_model(model, Path(sys.argv[1]), external_data=True)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "m.onnx"), TEXT], check=False)
    assert done.returncode == -9
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".edgeq-tmp-")
    save_model(model(), tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_external_data_round_trip(tmp_path: Path) -> None:
    big = model()
    array = np.arange(600, dtype=np.float32).reshape(2, 300)
    big.graph.initializers["w"].const_value = ir.tensor(array, name="w")
    big.graph.initializers["w"].shape = ir.Shape(array.shape)
    big.graph.outputs[0].shape = ir.Shape(["N", 300])
    save_model(big, tmp_path / "m.onnx", external_data=True)
    named = f"m.onnx.{hashlib.sha256(array.tobytes()).hexdigest()[:16]}.data"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", named]
    assert (tmp_path / named).stat().st_size == array.nbytes
    onnx.checker.check_model(tmp_path / "m.onnx")
    loaded = load_model(tmp_path / "m.onnx").model
    assert np.array_equal(loaded.graph.initializers["w"].const_value.numpy(), array)
    assert isinstance(big.graph.initializers["w"].const_value, ir.Tensor)


def test_external_data_never_overwrites_an_inputs_data(tmp_path: Path) -> None:
    save_model(with_weight(0), tmp_path / "m.onnx", external_data=True)
    (data,) = tmp_path.glob("*.data")
    data.write_bytes(b"precious")
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(BadOutput, match="same file as an input"):
        save_model(with_weight(0), tmp_path / "m.onnx", force=True, inputs=[data], external_data=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_external_data_of_a_model_that_is_replaced_is_removed(tmp_path: Path) -> None:
    for seed in (0, 1):
        save_model(with_weight(seed), tmp_path / "m.onnx", external_data=True, force=True)
        (data,) = tmp_path.glob("*.data")
        assert load_model(tmp_path / "m.onnx").size == data.stat().st_size + (tmp_path / "m.onnx").stat().st_size
    save_model(with_weight(2), tmp_path / "m.onnx", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_data_that_is_there_already_is_kept_and_what_only_bears_such_a_name_too(tmp_path: Path) -> None:
    stranger = tmp_path / "m.onnx.0123456789abcdef.data"
    stranger.write_bytes(b"not what the name says")
    save_model(with_weight(0), tmp_path / "m.onnx", external_data=True)
    (tmp_path / "m.onnx").unlink()  # as a run leaves it that was killed before the last rename
    (data,) = set(tmp_path.glob("*.data")) - {stranger}
    before = data.stat()
    save_model(with_weight(0), tmp_path / "m.onnx", external_data=True)
    assert data.stat() == before
    assert stranger.read_bytes() == b"not what the name says"


def test_text_is_written_like_models(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "r.json", "{}\n", force=False)
    assert (tmp_path / "r.json").read_text() == "{}\n"
    with pytest.raises(BadOutput, match="exists already"):
        atomic_write_text(tmp_path / "r.json", "", force=False)
    with pytest.raises(BadOutput, match="exists already"):
        check_output(tmp_path / "r.json")


def test_never_replaces_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    with pytest.raises(BadOutput, match="a device or a pipe"):
        save_model(model(), pipe, force=True)
    assert pipe.is_fifo()


def test_never_replaces_what_a_link_to_a_device_stands_for(tmp_path: Path) -> None:
    link = tmp_path / "m.onnx"
    link.symlink_to("/dev/null")
    with pytest.raises(BadOutput, match="a device or a pipe"):
        check_output(link, force=True)
