"""Arrays on disk: opened once, and refused by what they declare before they are unpacked."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeq.data.arrays.npy import npz_arrays
from edgeq.data.images import read_image
from edgeq.data.open import open_dataset
from edgeq.data.set_toml import SetInput
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec


class Opened:
    """Counts how often zip archives are opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, first = 0, zipfile.ZipFile.__init__

        def init(archive: zipfile.ZipFile, *args: object, **settings: object) -> None:
            self.times += 1
            first(archive, *args, **settings)

        monkeypatch.setattr(zipfile.ZipFile, "__init__", init)


def header(shape: str, dtype: str = "<f4") -> bytes:
    """The header of a .npy file, without its elements."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def test_the_members_of_a_large_archive_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.npz"
    np.savez(path, **{f"a{i}": np.zeros((2, 1), np.float32) for i in range(300)})
    opened = Opened(monkeypatch)
    assert len(npz_arrays(path)) == 300 and opened.times == 1


def test_a_model_of_many_inputs_reads_them_from_one_opened_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, inputs = tmp_path / "many.npz", tuple(InputSpec(f"a{i}", "float32", ("N", 1)) for i in range(50))
    np.savez(path, **{spec.name: np.full((6, 1), place, np.float32) for place, spec in enumerate(inputs)})
    data = open_dataset(str(path), inputs)
    opened = Opened(monkeypatch)
    (batch,) = data.batches(6)
    assert opened.times == 1 and batch.feeds["a49"].tolist() == [[49.0]] * 6


def test_the_names_of_many_arrays_do_not_flood_the_message(tmp_path: Path) -> None:
    path = tmp_path / "many.npz"
    np.savez(path, **{f"a{i}": np.zeros((2, 1), np.float32) for i in range(300)})
    with pytest.raises(BadData, match="and 280 more"):
        open_dataset(str(path), (InputSpec("x", "float32", ("N", 1)), InputSpec("z", "float32", ("N", 1))))


@pytest.mark.parametrize("shape", ["(1, 1073741824)", "(1, 4611686018427387904)", "(4611686018427387904, 4)"])
def test_a_sample_of_absurd_size_is_refused_before_it_is_unpacked(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header(shape) + bytes(1 << 20))
    with pytest.raises(BadData, match=r"declares|limit"):
        open_dataset(str(path), (InputSpec("x", "float32", ("N", None)),))


def test_labels_that_declare_more_than_the_samples_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=np.zeros((4, 2), np.float32), y=np.zeros(5000, np.int64))
    monkeypatch.setattr("edgeq.data.arrays.npy.NpyArray.whole", lambda _: pytest.fail("the labels were read"))
    with pytest.raises(BadData, match="5000 labels for 4 samples"):
        open_dataset(str(path), (InputSpec("x", "float32", ("N", 2)),))


def test_a_text_of_labels_is_held_to_the_number_of_samples(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2, np.float32))
    (tmp_path / "set.toml").write_text('schema_version = 1\nname = "s"\nfiles = ["a.npy"]\nlabels = "labels.csv"\n')
    (tmp_path / "labels.csv").write_text("1\n" * 100_000)
    with pytest.raises(BadData, match="limit"):
        open_dataset(str(tmp_path), (InputSpec("x", "float32", ("N", 2)),))


@pytest.mark.parametrize("resize", [(100_000, 100_000), 10_000_000, (1, 10**12)])
def test_an_image_that_resize_would_blow_up_is_refused(resize: int | tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", (8, 2)).save(tmp_path / "a.png")
    with pytest.raises(BadData, match="after resize"):
        read_image(tmp_path / "a.png", SetInput(name="x", resize=resize))


def test_a_long_thin_image_is_judged_by_what_resize_makes_of_it(tmp_path: Path) -> None:
    Image.new("L", (60_000, 1)).save(tmp_path / "a.png")
    with pytest.raises(BadData, match="after resize"):
        read_image(tmp_path / "a.png", SetInput(name="x", channels="gray", resize=224))


def test_a_format_that_runs_other_programs_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EndComments\n")
    with pytest.raises(BadData, match="decoded"):
        read_image(tmp_path / "a.png", SetInput(name="x"))


def test_a_gif_under_the_name_of_a_png_is_still_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (255, 0, 0)).save(buffer, "GIF")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert read_image(tmp_path / "a.png", SetInput(name="x")).shape == (3, 4, 4)
