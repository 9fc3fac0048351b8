"""`edgeq init` and the command that it prints: with any form of the same data, the command gives
the model that `edgeq quantize` gives without init.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from edgeq.data.set_toml import read_set
from edgeq.data.shipped import shipped_folder, shipped_model
from edgeq.graph.signature import InputSpec
from edgeq.io.load import load_model
from edgeq.starting.set_template import set_template, takes_images
from tests.cli_room import Ran, run
from tests.graph_text import weights
from tests.small_models import text_model

Capsys = pytest.CaptureFixture[str]

#: as a keyword net is exported: 49 frames of 10 features, either way round
FEATURES = {"NCHW": "N, 1, 49, 10", "NHWC": "N, 49, 10, 1"}


def printed(ran: Ran) -> list[str]:
    """The words behind `edgeq` of the command that init printed, on one line."""
    assert ran.code == 0, ran.err
    (line,) = [line for line in ran.out.splitlines() if line.startswith("next: ")]
    name, *words = shlex.split(line.removeprefix("next:"))
    assert name == "edgeq"
    return words


def went_on(capsys: Capsys, words: list[str]) -> bytes:
    """Run a printed command, but fast and without its proof; the model that it wrote."""
    ran = run(capsys, *words, "--no-prove", "--effort", "fast")
    assert ran.code == 0, ran.err
    return Path(words[words.index("-o") + 1]).read_bytes()


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The shipped images: the bytes, and the floats that the network was trained on."""
    with np.load(shipped_folder("digits") / "calibration.npz") as file:
        raw = file["image"][:24]
    return raw, raw * np.float32(1 / 255)


def plain(capsys: Capsys, model: Path, name: str, samples: np.ndarray) -> bytes:
    """The model that quantize makes of the floats themselves."""
    np.savez("plain.npz", **{name: samples})
    ran = run(capsys, "quantize", model, "-d", "plain.npz", "-o", "plain.int8.onnx", "--no-prove", "--effort", "fast")
    assert ran.code == 0, ran.err
    return Path("plain.int8.onnx").read_bytes()


def as_npz(folder: Path, samples: np.ndarray) -> None:
    np.savez(folder / "samples.npz", x=samples)


def as_one_npy(folder: Path, samples: np.ndarray) -> None:
    np.save(folder / "samples.npy", samples)


def as_npy_files(folder: Path, samples: np.ndarray) -> None:
    for index, sample in enumerate(samples):
        np.save(folder / f"{index:03}.npy", sample)


def as_npz_files(folder: Path, samples: np.ndarray) -> None:
    for index, sample in enumerate(samples):
        np.savez(folder / f"{index:03}.npz", x=sample[None])


def as_png(folder: Path, samples: np.ndarray) -> None:
    for index, sample in enumerate(samples):
        Image.fromarray(np.rint(sample.squeeze() * 255).astype(np.uint8)).save(folder / f"{index:03}.png")


FORMS = (as_npz, as_one_npy, as_npy_files, as_npz_files)
Form = Callable[[Path, np.ndarray], None]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commands are called."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_floats_put_into_the_folder_calibrate_as_they_are(form: Form, capsys: Capsys) -> None:
    model = shipped_model("digits")
    words = printed(run(capsys, "init", model))
    form(Path(words[words.index("--data") + 1]), digits()[1])
    assert went_on(capsys, words) == plain(capsys, model, "image", digits()[1])


@pytest.mark.parametrize("form", [*FORMS, as_png])
def test_data_that_init_is_told_of(form: Form, capsys: Capsys) -> None:
    model, source = shipped_model("digits"), Path("my samples")
    source.mkdir()
    form(source, digits()[1])
    words = printed(run(capsys, "init", model, "--data", source, "-o", "calibration of mine"))
    assert went_on(capsys, words) == plain(capsys, model, "image", digits()[1])
    assert sorted(path.suffix for path in source.iterdir()) == sorted(path.suffix for path in source.iterdir() if path.suffix != ".toml")


def test_images_put_into_the_folder_are_read_or_explained(capsys: Capsys) -> None:
    """One channel may be gray or a feature: the lines for images wait for the user."""
    model = shipped_model("digits")
    words = printed(run(capsys, "init", model))
    folder = Path("edgeq-digits")
    as_png(folder, digits()[1])
    ran = run(capsys, *words, "--no-prove")
    assert (ran.code, "set.toml" in ran.err) == (2, True)
    text = (folder / "set.toml").read_text()
    head, table = text.split("take the # off these lines:\n")
    (folder / "set.toml").write_text(head + "\n" + "".join(line[1:].lstrip(" ") + "\n" for line in table.splitlines()))
    assert went_on(capsys, words) == plain(capsys, model, "image", digits()[1])


def keyword_net(layout: str) -> onnx.ModelProto:
    """A convolution over features, whichever way round they come, and ten classes."""
    turned = "t = Transpose <perm = [0, 3, 1, 2]> (mfcc)" if layout == "NHWC" else "t = Identity (mfcc)"
    text = f"""<ir_version: 8, opset_import: ["": 13]>
        net (float[{FEATURES[layout]}] mfcc) => (float[N, 10] y) {{
            {turned} c = Conv <strides = [2, 2]> (t, w) r = Relu (c) p = GlobalAveragePool (r) f = Flatten (p) y = Gemm (f, k) }}"""
    return text_model(text, {"w": weights(8, 1, 10, 4), "k": weights(8, 10, seed=1)})


@pytest.mark.parametrize(("layout", "form"), [("NCHW", as_npz), ("NHWC", as_npy_files)])
def test_features_get_no_keys_for_images(layout: str, form: Form, capsys: Capsys) -> None:
    onnx.save(keyword_net(layout), "kws.onnx")
    shape = (24, 1, 49, 10) if layout == "NCHW" else (24, 49, 10, 1)
    samples = np.random.default_rng(0).normal(-5, 20, shape).astype(np.float32)
    words = printed(run(capsys, "init", "kws.onnx"))
    assert read_set(Path("edgeq-kws/set.toml")).input == ()
    form(Path("edgeq-kws"), samples)
    assert went_on(capsys, words) == plain(capsys, Path("kws.onnx"), "mfcc", samples)


@pytest.mark.parametrize(
    ("shape", "takes"),
    [
        (("N", 3, 224, 224), "yes"),
        (("N", "h", "w", 3), "yes"),
        ((1, 1, 28, 28), "perhaps"),
        (("N", 98, 40, 1), "perhaps"),
        (("N", 1, 16000, 1), "no"),
        (("N", 16, 16, 16), "no"),
        (("N", 1, 16000), "no"),
        (("N", 640), "no"),
        (None, "no"),
    ],
)
def test_what_takes_images(shape: tuple[int | str | None, ...] | None, takes: str, tmp_path: Path) -> None:
    spec = InputSpec("x", "float32", shape)
    assert takes_images(spec) == takes
    (tmp_path / "set.toml").write_text(set_template((spec,)))
    assert any(one.changes_values for one in read_set(tmp_path / "set.toml").input) == (takes == "yes")


def test_an_input_of_bytes_gets_no_scale(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text(set_template((InputSpec("x", "uint8", ("N", 20, 20, 3)),)))
    (found,) = read_set(tmp_path / "set.toml").input
    assert (found.layout, found.resize, found.changes_values) == ("NHWC", (20, 20), False)


# ------------------------------------------------------------------ a folder of its own


def test_nothing_is_written_beside_files_of_the_user(capsys: Capsys) -> None:
    folder = Path("photos")
    folder.mkdir()
    (folder / "a.png").write_bytes(b"mine")
    ran = run(capsys, "init", shipped_model("digits"), "-o", folder)
    assert (ran.code, [path.name for path in folder.iterdir()]) == (2, ["a.png"])
    assert "--force" in ran.err
    assert run(capsys, "init", shipped_model("digits"), "-o", folder, "--force").code == 0
    assert (folder / "a.png").read_bytes() == b"mine"


def test_the_working_folder_is_left_alone(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "calib.npz").write_bytes(b"mine")
    assert run(capsys, "init", shipped_model("digits")).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calib.npz", "edgeq-digits"]
    assert run(capsys, "init", shipped_model("digits")).code == 2


def test_a_folder_of_the_name_of_a_shipped_set_is_meant_itself(capsys: Capsys) -> None:
    model = shipped_model("digits")
    words = printed(run(capsys, "init", model, "-o", "digits"))
    samples = np.random.default_rng(0).random((20, 1, 16, 16)).astype(np.float32)
    as_npz(Path("digits"), samples)
    assert went_on(capsys, words) == plain(capsys, model, "image", samples)


@pytest.mark.parametrize(
    ("data", "what"), [("nothing.npz", "no file"), ("images", "no single input takes images"), ("wrong.npz", "has shape [5]")]
)
def test_data_that_does_not_fit_is_refused_before_anything_is_written(data: str, what: str, capsys: Capsys) -> None:
    onnx.save(text_model('<ir_version: 8, opset_import: ["": 13]> net (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }', {}), "m.onnx")
    Path("images").mkdir()
    as_png(Path("images"), digits()[1][:3])
    np.savez("wrong.npz", x=np.zeros((9, 5), np.float32))
    ran = run(capsys, "init", "m.onnx", "--data", data, "-o", "new")
    assert (ran.code, what in ran.err, Path("new").exists()) == (2, True, False)
    assert load_model("m.onnx").model.graph.name == "net"
