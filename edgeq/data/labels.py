"""Read class labels of a data set, int64 [samples], from an array, .npy, .csv or .txt file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeq.data.arrays.npy import NpyArray, npy_array
from edgeq.errors import BadData
from edgeq.io.limits import limited_text
from edgeq.io.run_files import note_read
from edgeq.numerics.arrays import I64, AnyArray

#: the most bytes of a line: the longest path of a file, and a number
MAX_LINE = 1 << 13


def check_labels(values: AnyArray, count: int, where: str) -> I64:
    """Check that labels are whole numbers, one per sample; returns int64 [N].

    values: [N] or [N, 1]. Raises BadData.
    """
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or flat.dtype.kind not in "iu":
        what = f"The labels are {values.dtype} of shape {list(values.shape)}."
        raise BadData(what, where, "Give class numbers: integers, one per sample.")
    if len(flat) != count:
        raise BadData(
            f"There are {len(flat)} labels for {count} samples.", where, "Give one label per sample, in the order of the samples."
        )
    return flat.astype(np.int64)


def any_labels(values: AnyArray, count: int, where: str) -> AnyArray:
    """Labels for a metric of one's own: of any shape, axis 0 the sample; class numbers as int64.

    Raises BadData.
    """
    if values.ndim == 0 or len(values) != count:
        what = f"There are labels of shape {list(values.shape)} for {count} samples."
        raise BadData(what, where, "Give labels whose axis 0 is the sample, in the order of the samples.")
    classes = values.dtype.kind in "iu" and values.shape[1:] in ((), (1,))
    return check_labels(values, count, where) if classes else values


def are_classes(labels: AnyArray) -> bool:
    """Whether labels are class numbers, one a sample."""
    return labels.ndim == 1 and labels.dtype == np.int64


def labels_of(array: NpyArray, count: int, *, classes: bool = True) -> AnyArray:
    """The labels in an array on disk, which is only read if it declares one a sample.

    classes: whether they must be class numbers. Raises BadData.
    """
    header = array.header
    declared = np.broadcast_to(np.zeros((), header.dtype), header.shape)  # says what is wrong, and takes no memory
    if not classes:
        return any_labels(array.whole() if header.shape[:1] == (count,) else declared, count, array.where)
    if header.shape[1:] in ((), (1,)) and header.dtype.kind in "iu" and header.shape[:1] == (count,):
        return check_labels(array.whole(), count, array.where)
    return check_labels(declared, count, array.where)


def read_labels(path: Path, files: Sequence[str] | None, count: int, *, classes: bool = True) -> AnyArray:
    """Read labels from a .npy file, of any shape unless they must be classes, or from text.

    Text has one class number per line in sample order, or lines `file,label`; a heading is allowed.
    files: names of the sample files relative to the folder; None: the samples are rows of one file.
    Raises BadData.
    """
    if path.suffix == ".npy":
        return labels_of(npy_array(path), count, classes=classes)
    note_read(path)
    try:
        text = limited_text(path, (count + 1) * MAX_LINE)
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text, newline="")) if line]
    except (OSError, ValueError, csv.Error) as problem:
        raise BadData(f"The labels cannot be read: {problem}", str(path), "Check the path; the file must be UTF-8 text.") from None
    if lines and not _is_number(lines[0][-1]):
        lines = lines[1:]
    if all(len(line) == 1 for line in lines):
        return check_labels(np.array([_number(line[0], path) for line in lines], np.int64), count, str(path))
    return _by_name(lines, files, path)


def _by_name(lines: Sequence[Sequence[str]], files: Sequence[str] | None, path: Path) -> I64:
    if files is None:
        raise BadData("The labels name files, but the samples are rows of one file.", str(path), "Give one class number per line.")
    bad = next((line for line in lines if len(line) != 2), None)
    if bad is not None:
        raise BadData(f"The line `{','.join(bad)}` is not `file,label`.", str(path), "Give two columns: file name and class number.")
    table = {name: _number(label, path) for name, label in lines}
    missing = next((name for name in files if name not in table), None)
    if missing is not None:
        raise BadData(f"No label for `{missing}`.", str(path), "Add a line for it; file names are relative to the folder of set.toml.")
    return np.array([table[name] for name in files], np.int64)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", text) is not None


def _number(text: str, path: Path) -> int:
    if not _is_number(text) or len(text) > 18:
        raise BadData(
            f"The label `{text}` is not a class number.", str(path), "Number the classes 0, 1, 2, ... as the model's output does."
        )
    return int(text)
