"""Samples that are held out: by their index in the whole data, whatever the shard or the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgeq.data import sources
from edgeq.data.arrays import npy
from edgeq.data.dataset import Dataset
from edgeq.data.held_out import LEAST, divided, division_of, learning_part, part_of
from edgeq.data.open import open_dataset
from edgeq.data.roles import roles_of
from edgeq.data.sources import Source
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.metrics.metric import TOP1
from edgeq.numerics.arrays import AnyArray
from edgeq.schema.recipe import Recipe

TRAINING = Recipe.model_validate({"finetune": {"epochs": 1}})


def numbered(count: int, batch: int | None = None, first: int = 0) -> Dataset:
    """Samples that hold their own number."""
    shape: tuple[int | str, ...] = ("N" if batch is None else batch, 2)
    x = np.repeat(np.arange(first, first + count, dtype=np.float32)[:, None], 2, axis=1)
    return open_dataset({"x": x}, (InputSpec("x", "float32", shape),))


def numbers(data: Dataset | None) -> list[int]:
    assert data is not None
    return [int(row[0]) for piece in data.batches(1) for row in piece.feeds["x"]]


def test_every_fifth_sample_of_twenty_is_held_out() -> None:
    found = division_of(numbered(LEAST), Recipe())
    assert numbers(found.held_out) == [4, 9, 14, 19]
    assert numbers(found.fitted) == [n for n in range(LEAST) if n % 5 != 4] == found.indices.tolist()


@pytest.mark.parametrize(("recipe", "apart", "count"), [(Recipe(), False, 19), (Recipe(hold_out=False), False, 40), (Recipe(), True, 40)])
def test_nothing_is_held_out_of_few_samples_or_where_it_is_not_wanted(recipe: Recipe, apart: bool, count: int) -> None:
    found = division_of(numbered(count), recipe, apart=apart)
    assert (found.rule, found.held_out, numbers(found.fitted)) == ("none", None, list(range(count)))


@pytest.mark.parametrize("apart", [False, True])
def test_training_holds_out_of_few_samples_too(apart: bool) -> None:
    assert numbers(division_of(numbered(6), TRAINING, apart=apart).fitted) == [0, 1, 2, 3, 5]
    assert division_of(numbered(4), TRAINING).rule == "none"  # there is no fifth


def test_what_statistics_saw_decides() -> None:
    assert division_of(numbered(40), Recipe(), known="none").rule == "none"
    assert division_of(numbered(40), Recipe(), apart=True, known="every_fifth").rule == "every_fifth"


def test_a_piece_is_a_fixed_batch() -> None:
    found = division_of(numbered(24, batch=4), Recipe())
    assert numbers(found.held_out) == [16, 17, 18, 19]
    assert found.indices.tolist() == [*range(16), *range(20, 24)]
    assert division_of(numbered(32, batch=8), Recipe()).rule == "none"  # four pieces: none is the fifth


@pytest.mark.parametrize(("start", "stop", "fitted"), [(0, None, 16), (3, 11, 6), (4, 5, 0), (18, 20, 1), (0, 99, 16)])
def test_a_shard_leaves_out_what_the_whole_does(start: int, stop: int | None, fitted: int) -> None:
    found = division_of(numbered(20), Recipe())
    first, last = found.fitted_range(start, stop)
    own = [n for n in range(start, min(20, stop or 20)) if n % 5 != 4]
    assert found.indices[first:last].tolist() == own
    assert len(own) == fitted


def test_a_shard_outside_the_data_is_refused() -> None:
    with pytest.raises(BadData, match="not in the data"):
        division_of(numbered(20), Recipe()).fitted_range(30, None)
    with pytest.raises(BadData, match="not in the data"):
        division_of(numbered(24, batch=4), Recipe()).fitted_range(2, 8)


def test_labels_stay_with_their_samples() -> None:
    data = replace(numbered(20), labels=np.arange(20), metric=TOP1)
    found = divided(data, "every_fifth")
    assert found.held_out is not None and found.held_out.labels is not None and found.fitted.labels is not None
    assert found.held_out.labels.tolist() == [4, 9, 14, 19]
    assert found.fitted.labels.tolist() == found.indices.tolist()


@dataclass
class Counted:
    """A source that counts the rows that are read."""

    source: Source
    read: int = 0

    @property
    def count(self) -> int:
        return self.source.count

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for row in self.source.rows(start, stop):
            self.read += 1
            yield row

    def where(self, index: int) -> str:
        return self.source.where(index)


def test_passes_over_both_parts_are_a_pass_over_the_whole() -> None:
    """The hash is that of the data as it would be without a part held out, and costs no reading."""
    data = numbered(25)
    source = Counted(data.source)
    found = divided(replace(data, source=source), "every_fifth")
    assert numbers(found.fitted) + numbers(found.held_out)
    before = source.read
    assert found.whole.hash == numbered(25).hash
    assert source.read == before
    assert found.fitted.hash == learning_part(numbered(25)).hash != found.whole.hash


def test_a_part_knows_what_was_seen_before() -> None:
    data = numbered(25)
    assert data.hash
    assert learning_part(data).survey.seen.all()


# ------------------------------------------------------------------ who judges


def test_held_out_samples_judge_where_there_are_some() -> None:
    roles = roles_of(numbered(20), None, Recipe(), None, None)
    assert (roles.on, numbers(roles.judging)) == ("held_out", [4, 9, 14, 19])
    assert len(numbers(roles.apart)) == 16


def test_the_calibration_samples_judge_few_samples() -> None:
    for recipe in (Recipe(), TRAINING):
        roles = roles_of(numbered(10), None, recipe, None, None)
        assert (roles.on, numbers(roles.judging), roles.apart) == ("calibration", list(range(10)), None)


def test_other_data_judges_where_it_is_given() -> None:
    roles = roles_of(numbered(40), numbered(3, first=100), Recipe(), None, None)
    assert (roles.on, numbers(roles.judging), numbers(roles.apart)) == ("validation", [100, 101, 102], list(range(40)))


def test_without_data_nobody_judges() -> None:
    roles = roles_of(None, None, Recipe(), None, None)
    assert (roles.division, roles.judging, roles.apart, roles.whole) == (None, None, None, None)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_file_is_opened_once_for_a_pass_however_many_samples_are_held_out(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coming back to a sample would read the file from its beginning for each of them."""
    x = np.repeat(np.arange(60, dtype=np.float32)[:, None], 2, axis=1)
    save(tmp_path / "x.npz", x=x)
    found = division_of(open_dataset(str(tmp_path / "x.npz"), (InputSpec("x", "float32", ("N", 2)),)), Recipe())
    opened = []
    archive = sources.open_archive
    monkeypatch.setattr(sources, "open_archive", lambda path: opened.append(path) or archive(path))
    assert numbers(found.fitted) == [n for n in range(60) if n % 5 != 4]
    assert len(opened) == 1
    assert numbers(found.held_out) == [n for n in range(60) if n % 5 == 4]
    assert len(opened) == 2


def test_samples_that_are_far_apart_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(400, dtype=np.float32).reshape(100, 4)
    np.savez(tmp_path / "x.npz", x=x)
    data = open_dataset(tmp_path / "x.npz", (InputSpec("x", "float32", ("N", 4)),))
    taken, read = list[int](), npy._read
    monkeypatch.setattr(npy, "_read", lambda stream, size, where: taken.append(size) or read(stream, size, where))
    part = part_of(data, [3, 40, 41, 90])
    assert np.array_equal(np.concatenate([batch.feeds["x"] for batch in part.batches(1)]), x[[3, 40, 41, 90]])
    assert sum(taken) <= 91 * x[0].nbytes + 512  # the header, and what is before the last one's end
