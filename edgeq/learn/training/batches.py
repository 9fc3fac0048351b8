"""Batches for training and held-out samples for validation, streamed in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from edgeq.data.dataset import Batch, Dataset, Feeds
from edgeq.data.held_out import HELD_OUT, is_held_out
from edgeq.errors import BadData
from edgeq.numerics.arrays import F32, AnyArray

#: number of batches that are shuffled together, and so held in memory at a time
WINDOW = 16


def training_batches(dataset: Dataset, batch: int, *, seed: int, epoch: int) -> Iterator[tuple[tuple[int, ...], Feeds]]:
    """The batches of an epoch, each with the indices of its samples.

    The order depends on seed and epoch alone. Samples are shuffled within windows of WINDOW
    batches, since the data is read in order. A fixed batch size of the model overrides `batch`, as
    in Dataset. Raises BadData when there are too few samples.
    """
    check_samples(dataset)
    chance = np.random.default_rng([seed, epoch])
    pieces = (piece for number, piece in enumerate(dataset.batches(1)) if not is_held_out(number))
    size = 1 if dataset.fixed_batch else batch
    while window := list(islice(pieces, size * WINDOW)):
        mixed = [window[place] for place in chance.permutation(len(window))]
        for start in range(0, len(mixed), size):
            yield from _joined(mixed[start : start + size])


def blended(feeds: Feeds, share: float, chance: np.random.Generator) -> Feeds:
    """Blend about `share` of the samples with another sample of the batch, in random proportions.

    This is mixup (Zhang et al., arXiv:1710.09412) without labels: a teacher answers blends too, so
    they are additional samples. The feeds are returned unchanged when an input is not float32 or
    the batch has a single sample.
    """
    count = min(len(array) for array in feeds.values())
    if count < 2 or any(array.dtype != np.float32 or len(array) != count for array in feeds.values()):
        return feeds
    part = np.where(chance.random(count) < share, chance.random(count), 1.0).astype(np.float32)
    other = chance.permutation(count)
    return {name: _blend(array, array[other], part) for name, array in feeds.items()}


def _blend(first: AnyArray, second: AnyArray, part: F32) -> AnyArray:
    own = part.reshape(-1, *[1] * (first.ndim - 1))
    return np.asarray(first.astype(np.float32) * own + second.astype(np.float32) * (1 - own), np.float32)


def held_out(dataset: Dataset, batch: int) -> Iterator[tuple[tuple[int, ...], Feeds]]:
    """The samples that training_batches leaves out, in order: batches with sample indices."""
    check_samples(dataset)
    pieces = (piece for number, piece in enumerate(dataset.batches(1)) if is_held_out(number))
    while together := list(islice(pieces, 1 if dataset.fixed_batch else batch)):
        yield from _joined(together)


def check_samples(dataset: Dataset) -> None:
    """Raise BadData when there are too few samples."""
    needed = HELD_OUT * (dataset.fixed_batch or 1)
    if dataset.count < needed:
        what = f"{dataset.count} samples are too few to train on and to hold some out for validation."
        raise BadData(what, dataset.name, f"Give {needed} samples or more.")


def _joined(pieces: Sequence[Batch]) -> Iterator[tuple[tuple[int, ...], Feeds]]:
    """The pieces joined into one batch, or into one batch per shape where their shapes differ."""
    shapes: dict[tuple[tuple[int, ...], ...], list[Batch]] = {}
    for piece in pieces:
        shapes.setdefault(tuple(array.shape for array in piece.feeds.values()), []).append(piece)
    for same in shapes.values():
        samples = tuple(index for piece in same for index in piece.samples)
        yield samples, {name: np.concatenate([piece.feeds[name] for piece in same]) for name in same[0].feeds}
