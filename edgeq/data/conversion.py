"""Convert an array to the element type of a model's input, where no value changes its meaning."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray

#: kinds of numpy types that hold numbers (booleans, signed and unsigned integers, floats), and text
NUMBERS, TEXT = "biuf", "UO"


def kind_of(dtype: np.dtype[np.generic]) -> str:
    """numpy's letter for the kind of a type; also for bfloat16, float8 and 4-bit integers.

    numpy itself calls those of ml_dtypes void.

    >>> [kind_of(np.dtype(name)) for name in ("float32", "bfloat16", "float8_e4m3fn", "int4")]
    ['f', 'f', 'f', 'i']
    """
    if dtype.type is np.void or not hasattr(ml_dtypes, dtype.name):
        return dtype.kind
    return "f" if "float" in dtype.name else "u" if dtype.name.startswith("u") else "i"


def convert(array: AnyArray, spec: InputSpec, where: str) -> AnyArray:
    """The array in the element type of the input.

    A float type may change to another float type as long as finite values stay finite. Booleans and
    integers may change to any type that holds every value exactly. Text stays text, and raw bytes
    (how numpy stores types of ml_dtypes) become the type that the input asks for. Raises BadData
    for all else, and for an input that holds neither numbers nor text.
    """
    wanted = _wanted(spec, where)
    if wanted.kind == "O":
        return np.asarray(array, object, order="C")
    if array.dtype.type is np.void and array.dtype.itemsize == wanted.itemsize and hasattr(ml_dtypes, wanted.name):
        array = np.ascontiguousarray(array).view(wanted)
    if array.dtype == wanted:
        return np.asarray(array, order="C")
    misfit = BadData(
        f"The data for input `{spec.name}` is {array.dtype}; the model needs {spec.dtype}, and not every value fits.",
        where,
        f"Convert it yourself if that is intended: x.astype({'ml_dtypes' if hasattr(ml_dtypes, wanted.name) else 'numpy'}.{spec.dtype}).",
    )
    given, kind = kind_of(array.dtype), kind_of(wanted)
    if given == "f" and kind != "f":
        raise misfit
    with np.errstate(over="ignore", invalid="ignore"):
        changed = array.astype(wanted, order="C")
        lost = (~np.isfinite(changed) & np.isfinite(array)) if given == "f" else changed.astype(array.dtype) != array
    if bool(lost.any()):
        raise misfit
    return changed


def _wanted(spec: InputSpec, where: str) -> np.dtype[np.generic]:
    """The element type of the input. Raises BadData for one that edgeq cannot feed."""
    if spec.form == "other":
        fix = "Use a model that takes tensors, or sequences of them."
        raise BadData(f"The model's input `{spec.name}` is a map or a sparse tensor of {spec.dtype}.", where, fix)
    try:
        wanted = np.dtype(spec.dtype)
    except TypeError:
        wanted = np.dtype(np.void)
    if wanted.type is np.void or kind_of(wanted) not in NUMBERS + "O":
        fix = "Use a model that takes numbers or text: edgeq cannot feed this type."
        raise BadData(f"The model's input `{spec.name}` is of type {spec.dtype}.", where, fix)
    return wanted


def check_kind(array: AnyArray, spec: InputSpec, where: str) -> None:
    """Raise BadData for text where the input takes numbers, and for numbers where it takes text."""
    takes_text, has_text = spec.dtype == "object", array.dtype.kind in TEXT
    if takes_text and not has_text:
        what = f"The model's input `{spec.name}` takes text (type {spec.dtype}), and the data is {array.dtype}."
        raise BadData(what, where, "Give strings: numpy.array([...], dtype=str).")
    if not takes_text and (has_text or kind_of(array.dtype) not in NUMBERS + "V" or array.dtype.names is not None):
        what = f"The array's element type {array.dtype} is not a number."
        raise BadData(what, f"{where}, input `{spec.name}`", "Give booleans, integers or floats.")
