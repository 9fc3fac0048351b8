"""The format of set.toml: what a data folder holds and how its files become model inputs.

An unknown key is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from edgeq.errors import BadData
from edgeq.io.strict_toml import Strict, read_toml
from edgeq.metrics.metric import BuiltIn
from edgeq.numerics.arrays import F32, AnyArray

Numbers = Annotated[tuple[float, ...], Field(min_length=1)]
PositiveNumbers = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
HeightWidth = tuple[PositiveInt, PositiveInt]


def holds_integers(array: AnyArray) -> bool:
    """Whether an array holds values as they are stored, such as pixels.

    Floats are what some preprocessing gave: doing it again would ruin them.

    >>> holds_integers(np.zeros(3, np.uint8)), holds_integers(np.zeros(3, np.float32))
    (True, False)
    """
    return array.dtype.kind in "biu"


class SetInput(Strict):
    """How one model input is made.

    Images are decoded, and `channels`, `resize`, `crop` and `layout` are applied. Integers, those
    of images and of arrays, then become (x * scale - mean) / std in float32. Arrays of floats are
    taken as they are: they were preprocessed already.
    """

    name: str = Field(description="name of the model's input")
    resize: PositiveInt | HeightWidth | None = Field(default=None, description="images: the shorter side, or [height, width]")
    filter: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(default="bilinear", description="images: how resize interpolates")
    crop: HeightWidth | None = Field(default=None, description="images: the middle [height, width], after resize")
    layout: Literal["NCHW", "NHWC"] = Field(default="NCHW", description="order of the model's input; tells where mean and std apply")
    channels: Literal["RGB", "BGR", "gray"] = Field(default="RGB", description="images: channel order")
    scale: float = Field(default=1.0, description="integers: factor before mean and std; 1/255 brings bytes to 0..1")
    mean: float | Numbers = Field(default=0.0, description="integers: subtracted; a number, or one per channel")
    std: PositiveFloat | PositiveNumbers = Field(default=1.0, description="integers: divisor; a number, or one per channel")

    @property
    def changes_values(self) -> bool:
        """Whether scale, mean and std are other than 1, 0 and 1."""
        return (self.scale, self.mean, self.std) != (1.0, 0.0, 1.0)

    def normalize(self, array: AnyArray, where: str) -> AnyArray:
        """(x * scale - mean) / std in float32, with the shape kept.

        Returns the array itself when the three are 1, 0 and 1, and when it holds no integers.
        Raises BadData when mean or std do not fit the channels.
        """
        if not self.changes_values or not holds_integers(array):
            return array
        mean, std = self._along(self.mean, array, where), self._along(self.std, array, where)
        return np.asarray((array.astype(np.float32) * np.float32(self.scale) - mean) / std, np.float32)

    def _along(self, values: float | tuple[float, ...], array: AnyArray, where: str) -> F32:
        if isinstance(values, float | int):
            return np.asarray(values, np.float32)
        axis = -3 if self.layout == "NCHW" else -1
        if array.ndim < 3 or array.shape[axis] != len(values):
            sample = f"a sample is {list(array.shape)} in {self.layout}"
            what = f"`mean` or `std` of input `{self.name}` has {len(values)} numbers, but {sample}."
            raise BadData(what, where, "Give one number, or one per channel, and the right `layout`, in set.toml.")
        return np.asarray(values, np.float32).reshape([-1] + [1] * (-axis - 1))


class Split(Strict):
    """A part of the set: one .npz file, or patterns of files that hold one sample each."""

    file: str | None = Field(default=None, description="an .npz file, axis 0 = sample")
    files: tuple[str, ...] = Field(default=(), description="patterns of .npy, .npz or image files, one sample each, taken in name order")
    labels: str | None = Field(default=None, description=".npy, .csv or .txt; default: array `labels` of `file`")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.file is None) == (not self.files):
            raise ValueError("give either `file` or `files`")
        return self


class DataSet(Strict):
    """A set.toml file. Without [split.*] tables, `files` and `labels` describe the only split."""

    #: version of the format
    schema_version: Literal[1]
    #: name of the set
    name: str
    #: one line about the set
    title: str = ""
    licence: str = Field(default="", description="licence of the data")
    source: str = Field(default="", description="where the data came from")
    metric: BuiltIn | None = Field(default=None, description="task metric of the labels; default: top1 when there are labels")
    model: str | None = Field(default=None, description="the float model that comes with the set")
    #: preprocessing of the model's inputs, one [[input]] table for each
    input: tuple[SetInput, ...] = ()
    #: patterns of the sample files of the only split
    files: tuple[str, ...] = Field(default=("*",), min_length=1)
    #: labels of the only split, as in Split
    labels: str | None = None
    #: name -> part of the set
    split: dict[str, Split] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [entry.name for entry in self.input]
        if len(set(names)) < len(names):
            raise ValueError("an [[input]] name appears twice")
        if self.split and (self.labels is not None or self.files != ("*",)):
            raise ValueError("with [split.*] tables, `files` and `labels` belong in them")
        return self

    def choose(self, split: str, where: str) -> Split:
        """The part called `split`; a set without [split.*] tables has one part for every purpose.

        Raises BadData when there is no such part.
        """
        if not self.split:
            return Split(files=self.files, labels=self.labels)
        if split not in self.split:
            raise BadData(f"The set has no split `{split}`.", where, f"Add [split.{split}] or use one of: {', '.join(self.split)}.")
        return self.split[split]


def read_set(path: Path) -> DataSet:
    """Read a set.toml file. Raises BadData with file, key and fix."""
    return read_toml(DataSet, path, BadData, "data set")
