"""Training gives the same bytes whatever the number of threads that the machine offers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.deterministic import THREADS, deterministic  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402

EDGEQ = (sys.executable, "-c", "import sys; from edgeq.cli.main import main; sys.exit(main())")
WAYS = {
    "epochs": ("--epochs", "2", "--lr", "0.01"),
    "epochs of tables": ("--epochs", "2", "--lr", "0.01", "--bits", "4"),
    "blocks": ("--reconstruct", "block", "--steps", "4"),
    "tables of floats": ("--epochs", "2", "--bits", "4", "--compute", "float"),
}


@pytest.mark.parametrize("way", ["epochs", *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS if way != "epochs")])
def test_one_and_two_threads_give_the_same_bytes(way: str, tmp_path: Path) -> None:
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", x=np.random.default_rng(1).normal(size=(20, 4, 12, 12)).astype(np.float32))
    made: dict[int, list[bytes]] = {}
    for threads in (1, 2):
        out = tmp_path / str(threads)
        out.mkdir()
        given = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        words = ("finetune", tmp_path / "net.onnx", "-d", tmp_path / "calib.npz", "-o", out / "o.onnx", *WAYS[way])
        # the child has the users' default, and so small a net is faster in float
        words = (*words, "--prefer", "integers")
        quick = () if "float" in words else ("--no-prove",)
        done = subprocess.run([*EDGEQ, *map(str, (*words, *quick))], env=os.environ | given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made[threads] = [path.read_bytes() for path in sorted(out.iterdir())]
    assert made[1] == made[2]
    assert made[1]


@pytest.mark.parametrize("offered", [1, 2, 7])
def test_torchs_threads_are_the_same_inside_and_restored_outside(offered: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(offered)
    with deterministic():
        assert torch.get_num_threads() == THREADS
    assert torch.get_num_threads() == offered
    torch.set_num_threads(before)
