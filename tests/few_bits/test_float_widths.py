"""Tables of floats in models that stay float: learned in torch, stored in ONNX, trained where a
width misses.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.data.open import open_dataset  # noqa: E402
from edgeq.few_bits.tables import with_tables  # noqa: E402
from edgeq.few_bits.tuned_tables import tuned_tables  # noqa: E402
from edgeq.graph.read import constant  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.io.load import load_proto  # noqa: E402
from edgeq.learn.door import Checkpoint  # noqa: E402
from edgeq.learn.simulation.float_tables import FloatStudent  # noqa: E402
from edgeq.numerics.arrays import F32  # noqa: E402
from edgeq.passes.store.fold_codebooks import Storage  # noqa: E402
from edgeq.progress import Silent  # noqa: E402
from edgeq.runtimes.ort import open_session  # noqa: E402
from edgeq.schema.codebook import CodebookWish  # noqa: E402
from edgeq.schema.finetune import FineTuneWish  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from tests.cli_room import run  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402
from tests.few_bits.test_widths import samples  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Seen:
    """Stands where training does, and keeps the student that it would train after some steps far
    away.
    """

    def __init__(self, *, refits: bool) -> None:
        self.refits = refits

    def __call__(self, _: object, tabled: object, storage: dict[str, Storage], weights: dict[str, F32]) -> object:
        self.student = FloatStudent(tabled, storage, weights, refits=self.refits)  # type: ignore[arg-type]
        for name, array in self.student.learned().items():
            value = tabled.graph.initializers[name]  # type: ignore[attr-defined]
            assert np.allclose(array, constant(value), rtol=1e-5, atol=1e-6)
        optimizer = torch.optim.Adam(self.student.learnable.parameters(), lr=0.3)
        feeds = {"x": torch.from_numpy(samples()["x"])}
        for _ in range(4):
            optimizer.zero_grad()
            self.student.forward(feeds)["y"].square().sum().backward()
            optimizer.step()
            self.student.refit()
        return self.student.learned()


@pytest.mark.parametrize("refits", [False, True], ids=["gradient", "refit"])
@pytest.mark.parametrize("codebook", [{}, {"granularity": "group:8"}, {"granularity": "channel"}, {"prune": "0.5"}], ids=str)
def test_what_is_exported_is_what_was_simulated_and_still_a_codebook(codebook: dict[str, str], refits: bool) -> None:
    loaded, seen = load_proto(net()), Seen(refits=refits)
    book = CodebookWish.model_validate({"bits": 2} | codebook)
    plain = with_tables(loaded, book, None, Silent())
    made = with_tables(loaded, book, None, Silent(), tune=seen)  # type: ignore[arg-type]
    with open_session(made.model, threads=1) as session, torch.no_grad():
        exported = session.run(samples())[0]
        simulated = seen.student.forward({"x": torch.from_numpy(samples()["x"])})["y"].numpy()
    assert np.abs(exported - simulated).max() <= 1e-5 * np.abs(exported).max()
    assert [layer.bits for layer in made.layers] == [layer.bits for layer in plain.layers]
    for name, (_, new) in made.weights.items():
        old = plain.weights[name][1]
        assert not np.array_equal(old, new)
        if "prune" in codebook:
            assert not new[old == 0].any()


def test_training_brings_the_model_nearer_and_repeats() -> None:
    loaded, data = load_proto(net()), open_dataset(samples(), input_specs(load_proto(net()).model))
    recipe = Recipe(codebook=CodebookWish(bits=1), finetune=FineTuneWish(epochs=12, rate=0.01))
    with open_session(loaded.model, threads=1) as session:
        wanted = session.run(samples())[0]
    errors, files = [], []
    for tune in (None, *(tuned_tables(loaded.hash, data, recipe, Silent(), Checkpoint()) for _ in range(2))):
        made = with_tables(loaded, recipe.codebook, data, Silent(), tune=tune)
        with open_session(made.model, threads=1) as session:
            errors.append(float(np.square(session.run(samples())[0] - wanted).mean()))
        files.append([new.tobytes() for _, new in made.weights.values()])
    assert errors[1] < 0.9 * errors[0]
    assert files[1] == files[2]


@pytest.mark.slow
def test_float_widths_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", **samples())
    words = ("finetune", tmp_path / "net.onnx", "-d", tmp_path / "calib.npz", "--compute", "float", "--epochs", "2")
    ran = run(capsys, *words, "--bits", "4,1", "--min-sqnr", "28", "-o", tmp_path / "out.onnx", "--json", "-q")
    four, one = json.loads(ran.out)["widths"]
    assert four["after"] is None and one["after"] is not None
    assert one["size_bytes"] == (tmp_path / "out.w1.onnx").stat().st_size < (tmp_path / "out.w4.onnx").stat().st_size
    assert ran.code == (3 if one["after"]["missed"] else 0)
    assert {path.name for path in tmp_path.glob("out*")} == {"out.w4.onnx", "out.w1.onnx"}
    assert not any(node.op_type == "QuantizeLinear" for node in onnx.load(tmp_path / "out.w1.onnx").graph.node)
    assert "Add --bits" in run(capsys, *words, "-o", tmp_path / "no.onnx", "-q").err
    assert "--target is for int8" in run(capsys, *words, "--bits", "2", "-t", "dsp_int8", "-o", tmp_path / "no.onnx", "-q").err
    vectors = ("--bits", "8", "--granularity", "vector:4")
    assert "cannot be learned" in run(capsys, *words, *vectors, "-o", tmp_path / "no.onnx", "-q").err


def test_a_width_of_floats_goes_on_from_its_checkpoint(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    onnx.save(net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "calib.npz", **samples())
    words = ("finetune", tmp_path / "net.onnx", "-d", tmp_path / "calib.npz", "--compute", "float", "--bits", "1", "--epochs", "3", "-q")
    assert run(capsys, *words, "--keep", tmp_path / "run.ckpt", "-o", tmp_path / "a.onnx").code == 0
    assert run(capsys, *words, "--resume", tmp_path / "run.ckpt", "-o", tmp_path / "b.onnx").code == 0
    assert (tmp_path / "a.w1.onnx").read_bytes() == (tmp_path / "b.w1.onnx").read_bytes()
    assert {path.name for path in tmp_path.glob("*.ckpt")} == {"run.ckpt"}
