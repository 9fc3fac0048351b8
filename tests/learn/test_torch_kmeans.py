"""The solver of codebooks that a package brings: what it finds, and what is said without it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Final

import numpy as np
import onnx
import pytest

import edgeq
from edgeq.errors import MissingExtra
from edgeq.learn.door import clustering_of
from edgeq.numerics.arrays import AnyArray
from edgeq.numerics.clustering import EXACT, Clustering
from edgeq.numerics.vectors.kmeans import nearest_vectors
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.recipe import Recipe
from tests.cli_room import run
from tests.small_models import text_model

LIBRARY: Final = "fast-pytorch-kmeans"
NET = """<ir_version: 10, opset_import: ["": 17]>
net (float[N, 8, 10, 10] x) => (float[N, 24] y) {
  [conv] c = Conv<pads=[1, 1, 1, 1]>(x, w)  [relu] r = Relu(c)  [pool] p = GlobalAveragePool(r)  [flat] f = Flatten(p)
  [fc] y = Gemm<transB = 1>(f, k) }"""


def net() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(48, 8, 3, 3)).astype(np.float32) / 8, "k": rng.normal(size=(24, 48)).astype(np.float32) / 7}
    return text_model(NET, weights)


def samples() -> dict[str, AnyArray]:
    return {"x": np.random.default_rng(1).normal(size=(24, 8, 10, 10)).astype(np.float32)}


@pytest.fixture
def library() -> Clustering:
    for name in ("torch", "fast_pytorch_kmeans", "psutil"):
        pytest.importorskip(name, reason="extra [learn] is not installed")
    return clustering_of(LIBRARY)


def error_of(values: AnyArray, centroids: AnyArray) -> float:
    return float(np.square(values[:, None] - centroids).min(1).sum())


def test_numbers_end_where_no_centroid_moves(library: Clustering) -> None:
    values = np.random.default_rng(2).normal(size=4000)
    found = library.numbers(values, None, 16, None)
    nearest = np.abs(values[:, None] - found).argmin(1)
    means = np.array([values[nearest == index].mean() for index in range(16)])
    assert np.all(np.diff(found) > 0)
    np.testing.assert_allclose(found, means, atol=2e-2)  # all but settled after the most iterations
    assert (
        error_of(values, EXACT.numbers(values, None, 16, None))
        <= error_of(values, found)
        < 1.5 * error_of(values, EXACT.numbers(values, None, 16, None))
    )


def test_small_numbers_are_clustered_as_large_ones(library: Clustering) -> None:
    values = np.random.default_rng(3).normal(size=3000)
    np.testing.assert_allclose(library.numbers(values * 2.0**-10, None, 8, None) * 2.0**10, library.numbers(values, None, 8, None))


def test_it_goes_on_from_given_centroids(library: Clustering) -> None:
    values = np.concatenate([np.full(50, -1.0), np.full(50, 1.0)]) + np.linspace(-0.1, 0.1, 100)
    np.testing.assert_allclose(library.numbers(values, None, 2, np.array([-0.2, 0.3])), [values[:50].mean(), values[50:].mean()])


def test_vectors_are_means_of_their_neighbours(library: Clustering) -> None:
    points = np.random.default_rng(4).normal(size=(3000, 2))
    found = library.vectors(points, np.ones(3000), 32)
    nearest = nearest_vectors(points, found)
    assert found.shape == (32, 2)
    for index in np.unique(nearest):
        np.testing.assert_allclose(found[index], points[nearest == index].mean(0), atol=0.1)


def test_the_same_call_finds_the_same_and_leaves_torch_alone(library: Clustering) -> None:
    import torch

    values, before = np.random.default_rng(5).normal(size=2000), torch.get_rng_state()
    first, second = (library.numbers(values, None, 16, None) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_many_numbers_are_sampled(library: Clustering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.learn.torch_kmeans.LARGEST", 4 * 500)
    values = np.random.default_rng(6).normal(size=5000)
    sampled = library.numbers(values, None, 4, None)
    assert error_of(values, sampled) < 1.3 * error_of(values, EXACT.numbers(values, None, 4, None))


@pytest.mark.parametrize("settings", [{"bits": 3}, {"bits": 6, "granularity": "vector:2"}, {"bits": 3, "granularity": "group:8"}])
def test_a_model_is_quantized_with_its_tables(library: Clustering, settings: dict[str, object]) -> None:
    del library
    made = [
        edgeq.quantize(net(), samples(), recipe=Recipe(codebook=CodebookWish.model_validate(settings | {"solver": name})), prove=False)
        for name in ("exact", LIBRARY, LIBRARY)
    ]
    assert made[1].plan == made[2].plan
    assert made[0].plan != made[1].plan  # another start leads elsewhere
    assert {layer.node for layer in made[1].report.codebooks} == {layer.node for layer in made[0].report.codebooks}


def test_the_command_line_takes_the_solver(library: Clustering, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del library
    onnx.save(net(), tmp_path / "m.onnx")
    done = run(capsys, "palettize", tmp_path / "m.onnx", "--bits", "3", "--solver", LIBRARY, "-o", tmp_path / "w3.onnx")
    assert done.code == 0, done.err
    assert (tmp_path / "w3.onnx").stat().st_size < (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize("absent", ["torch", "fast_pytorch_kmeans", "psutil"])
def test_a_missing_package_is_named(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeq.learn.door.find_spec", lambda name: None if name == absent else SimpleNamespace(name=name))
    with pytest.raises(MissingExtra, match=rf"{absent}.*does not find") as caught:
        clustering_of(LIBRARY)
    assert "edgeq[learn]" in caught.value.fix


def test_the_exact_solver_needs_nothing() -> None:
    assert clustering_of("exact") is EXACT


def test_an_unknown_solver_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(net(), tmp_path / "m.onnx")
    done = run(capsys, "palettize", tmp_path / "m.onnx", "--bits", "3", "--solver", "lloyd", "-o", tmp_path / "w3.onnx")
    assert done.code == 2
    assert "exact" in done.err
