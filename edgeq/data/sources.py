"""Sources of raw samples on disk: one .npz or .npy file, or a list of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeq.data.arrays.npy import NpyArray, npy_array, npz_arrays, open_archive
from edgeq.data.checks import Match, match_names
from edgeq.data.images import SUFFIXES, read_image
from edgeq.data.labels import labels_of
from edgeq.data.set_toml import SetInput
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray


class Source(Protocol):
    """Raw samples by model input, before normalization and checks."""

    @property
    def count(self) -> int: ...

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        """Yield samples start..stop-1 in order; nothing is kept. Raises BadData."""

    def where(self, index: int) -> str:
        """The place of one sample, for messages."""


@dataclass(frozen=True, eq=False)
class OpenedSource:
    """A source with what belongs to it."""

    #: the raw samples
    source: Source
    #: int64 [count], or labels of any shape [count, ...]; None: there are no labels
    labels: AnyArray | None = None
    #: what the user should know
    notes: tuple[str, ...] = ()
    #: whether the samples were made up: there was no real data
    made_up: bool = False


class Given(Protocol):
    """Data in Python that has been read once, and knows its samples when it sees the inputs."""

    @property
    def name(self) -> str:
        """What reports and messages call the data."""

    def opened(self, inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:
        """The samples for a model with these inputs. Raises BadData.

        classes: as for open_arrays.
        """


#: data that can be opened again and again: a path, the name of a set, arrays, or what was read once
DataSource = str | Path | Mapping[str, AnyArray] | Given


@dataclass(frozen=True, eq=False)
class StreamSource:
    """Samples in one file, whose arrays are read in step, row by row."""

    #: the .npz or .npy file
    path: Path
    #: array per model input; axis 0 is the sample
    arrays: Mapping[str, NpyArray]
    #: number of samples
    count: int

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        return self.picked(range(start, stop))

    def picked(self, indices: Sequence[int]) -> Iterator[Mapping[str, AnyArray]]:
        """Yield these samples, in ascending order, in one pass over the file."""
        names = tuple(self.arrays)
        with open_archive(self.path) as archive:
            for row in zip(*(self.arrays[name].picked(indices, archive) for name in names), strict=True):
                yield dict(zip(names, row, strict=True))

    def where(self, index: int) -> str:
        return f"{self.path}, sample {index}"


@dataclass(frozen=True, eq=False)
class FileSource:
    """A list of files that hold one sample each.

    An .npz file has one array per input; a .npy file or an image feeds the model's only input.
    """

    #: the files, in the order of the samples
    files: tuple[Path, ...]
    #: inputs of the model
    inputs: tuple[InputSpec, ...]
    #: preprocessing by input name; images need it
    how: Mapping[str, SetInput]

    @property
    def count(self) -> int:
        return len(self.files)

    def rows(self, start: int, stop: int) -> Iterator[Mapping[str, AnyArray]]:
        for path in self.files[start:stop]:
            yield self._read(path)

    def where(self, index: int) -> str:
        return f"{self.files[index]} (sample {index})"

    def _read(self, path: Path) -> Mapping[str, AnyArray]:
        if path.suffix.lower() == ".npz":
            arrays = npz_arrays(path)
            keys = match_names(list(arrays), self.inputs, str(path)).keys
            return {name: arrays[key].whole() for name, key in keys.items()}
        if len(self.inputs) != 1:
            names = ", ".join(spec.name for spec in self.inputs)
            raise BadData(
                f"A {path.suffix} file feeds one input, but the model has {names}.",
                str(path),
                "Give one .npz per sample, with an array per input.",
            )
        name = self.inputs[0].name
        if path.suffix.lower() == ".npy":
            return {name: npy_array(path).whole()}
        if name not in self.how:
            fix = f"State it in an [[input]] table for `{name}` in the folder's set.toml; `edgeq init MODEL --data FOLDER` writes one."
            raise BadData("Images need to be told how they become model inputs (size, channels, mean, std).", str(path), fix)
        return {name: read_image(path, self.how[name])}


#: how the names of data begin that is made up (edgeq/data/synthetic)
MADE_UP = "synthetic:"
#: suffixes of files that hold one sample each
SAMPLE_SUFFIXES = (".npy", ".npz", *SUFFIXES)


def open_arrays(path: Path, inputs: Sequence[InputSpec], *, classes: bool = True) -> OpenedSource:
    """Open an .npz file with one array per input, or a .npy file for a model with one input.

    Axis 0 is the sample. Of the samples only headers are read now. classes: whether labels must be
    class numbers. Raises BadData.
    """
    arrays = npz_arrays(path) if path.suffix.lower() == ".npz" else {"arr_0": npy_array(path)}
    match: Match = match_names(list(arrays), inputs, str(path))
    count = common_length({name: arrays[key].header.shape for name, key in match.keys.items()}, str(path))
    labels = None if match.labels is None else labels_of(arrays[match.labels], count, classes=classes)
    return OpenedSource(StreamSource(path, {name: arrays[key] for name, key in match.keys.items()}, count), labels, match.notes)


def holds_samples(path: Path, inputs: Sequence[InputSpec]) -> bool:
    """Whether a file alone in its folder holds all samples along axis 0, and is not one sample.

    Its arrays then have the rank of the inputs, or one more for whole feeds. An array of exactly
    the shape of its input, batch included, is one whole feed. Raises BadData for a damaged file.
    """
    if path.suffix.lower() not in (".npy", ".npz") or any(spec.shape is None or spec.form == "sequence" for spec in inputs):
        return False
    if path.suffix.lower() == ".npy" and len(inputs) != 1:
        return False
    arrays = npz_arrays(path) if path.suffix.lower() == ".npz" else {"arr_0": npy_array(path)}
    keys = match_names(list(arrays), inputs, str(path)).keys
    return all(_has_sample_axis(arrays[keys[spec.name]].header.shape, spec.shape or ()) for spec in inputs)


def _has_sample_axis(shape: tuple[int, ...], wanted: tuple[int | str | None, ...]) -> bool:
    return len(shape) == len(wanted) + 1 or (len(shape) == len(wanted) > 0 and shape[0] != wanted[0])


def common_length(shapes: Mapping[str, tuple[int, ...]], where: str) -> int:
    scalar = next((name for name, shape in shapes.items() if not shape), None)
    if scalar is not None:
        raise BadData(
            f"The array for input `{scalar}` has no sample axis.", where, "Axis 0 is the sample: repeat it, numpy.full(samples, value)."
        )
    lengths = {name: shape[0] for name, shape in shapes.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BadData(f"The arrays have different numbers of samples: {listed}.", where, "Axis 0 is the sample: it must be equally long.")
    return next(iter(lengths.values()))
