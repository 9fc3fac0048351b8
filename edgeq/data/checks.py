"""Check that data fits a model: names, rank, shape and element type.

Each misfit raises a BadData that says how to fix it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import permutations

from edgeq.data.conversion import check_kind, convert
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.numerics.arrays import AnyArray

#: array names that mean labels, unless the model has an input of that name
LABELS = ("labels", "y")
#: names that a single array may have, whatever the model's only input is called
ANONYMOUS = ("x", "data", "input", "images", "arr_0")
#: the most names that one message lists
MOST_LISTED = 20


@dataclass(frozen=True)
class Match:
    """Which array of the data feeds which input of the model."""

    #: model input -> name of the array that feeds it
    keys: Mapping[str, str]
    #: name of the array of labels; None: there is none
    labels: str | None
    #: what the user should know
    notes: tuple[str, ...]


def match_names(names: Iterable[str], inputs: Sequence[InputSpec], where: str) -> Match:
    """Find the array of each model input by name.

    A single array called x, data, input, images or arr_0 fits a model with one input. Raises
    BadData when an input has no array.
    """
    wanted = dict.fromkeys(spec.name for spec in inputs)
    given = dict.fromkeys(names)
    labels = next((name for name in LABELS if name in given and name not in wanted), None)
    arrays = [name for name in given if name in wanted or name not in LABELS]
    missing = [name for name in wanted if name not in given]
    if not missing:
        extra = [name for name in arrays if name not in wanted]
        notes = (f"{where}: not a model input, ignored: {_listed(extra)}.",) if extra else ()
        return Match({name: name for name in wanted}, labels, notes)
    if len(wanted) == len(arrays) == 1 and arrays[0] in ANONYMOUS:
        (only,) = wanted
        return Match({only: arrays[0]}, labels, (f"{where}: array `{arrays[0]}` feeds the model's only input `{only}`.",))
    raise BadData(
        f"No array for the model's input `{missing[0]}`.",
        where,
        f"The model's inputs: {_listed(wanted)}; the data has: {_listed(arrays)}. {_rename(missing[0], arrays, wanted)}",
    )


def _listed(names: Iterable[str]) -> str:
    """The names, the first of them where there are many."""
    every = list(names)
    shown = ", ".join(every[:MOST_LISTED])
    return f"{shown} and {len(every) - MOST_LISTED} more" if len(every) > MOST_LISTED else shown or "nothing"


def _rename(missing: str, arrays: Sequence[str], wanted: Container[str]) -> str:
    free = [name for name in arrays if name not in wanted][:MOST_LISTED]
    near = get_close_matches(missing, free, n=1, cutoff=0.5) or (free if len(free) == 1 else [])
    return f"Rename `{near[0]}` to `{missing}`." if near else f"Add an array named `{missing}`."


def unknown_input(name: str, inputs: Sequence[InputSpec], where: str) -> BadData:
    """The error for a name that is not among the model's inputs."""
    names = [spec.name for spec in inputs]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    fix = f"Did you mean `{near[0]}`? " if near else ""
    return BadData(f"The model has no input `{name}`.", where, f"{fix}The model's inputs: {_listed(names)}.")


def frozen_inputs(inputs: Sequence[InputSpec], shapes: Mapping[str, tuple[int, ...]]) -> tuple[InputSpec, ...]:
    """The inputs after `shapes` (--shape NAME=DIMS) has frozen their dynamic dimensions.

    Raises BadData for an unknown input and for a shape that contradicts the model.
    """
    known = {spec.name for spec in inputs}
    stray = next((name for name in shapes if name not in known), None)
    if stray is not None:
        raise unknown_input(stray, inputs, f"--shape {stray}={','.join(map(str, shapes[stray]))}")
    return tuple(_freeze(spec, shapes[spec.name]) if spec.name in shapes else spec for spec in inputs)


def _freeze(spec: InputSpec, shape: tuple[int, ...]) -> InputSpec:
    given = f"--shape {spec.name}={','.join(map(str, shape))}"
    if any(dim < 1 for dim in shape):
        raise BadData("A frozen dimension must be at least 1.", given, "Give positive numbers.")
    if spec.shape is not None and not _agrees(shape, spec.shape):
        raise BadData(f"The shape contradicts the model, whose input is {show_shape(spec)}.", given, "Change only the dynamic dimensions.")
    return replace(spec, shape=shape)


def show_shape(spec: InputSpec) -> str:
    """The shape as text, such as [N, 3, 224, 224]; an unnamed dynamic dimension is written as ?."""
    return "of unknown rank" if spec.shape is None else "[" + ", ".join("?" if d is None else str(d) for d in spec.shape) + "]"


def _agrees(shape: Sequence[int], wanted: Sequence[int | str | None]) -> bool:
    """Whether rank and all fixed dimensions are equal; 0 and -1 are old ways to say dynamic."""
    return len(shape) == len(wanted) and all(not isinstance(w, int) or w < 1 or w == s for s, w in zip(shape, wanted, strict=True))


def fit_sample(array: AnyArray, spec: InputSpec, where: str) -> tuple[AnyArray, bool]:
    """Convert one sample to the form that the model takes, and tell whether it is a whole feed.

    A sample with one rank less than the input gets a batch axis of length 1. A sample with the
    input's own rank is a whole feed and keeps its shape, and so does a sequence of tensors, stacked
    along axis 0. Raises BadData for a wrong rank, shape or element type.
    """
    check_kind(array, spec, where)
    whole = spec.form == "sequence" or (spec.shape is not None and array.ndim == len(spec.shape))
    shaped = array if whole else array[None]
    _check_shape(array, shaped, spec, where)
    return convert(shaped, spec, where), whole


def _check_shape(array: AnyArray, shaped: AnyArray, spec: InputSpec, where: str) -> None:
    if spec.shape is None:
        return
    # an added batch axis has length 1 and is joined with others later: compare only the rest
    added = shaped.ndim != array.ndim
    ours, wanted = (shaped.shape[1:], spec.shape[1:]) if added else (shaped.shape, spec.shape)
    if shaped.ndim == len(spec.shape) and _agrees(ours, wanted):
        return
    what = f"A sample of input `{spec.name}` has shape {list(array.shape)}; the model's input is {show_shape(spec)}."
    raise BadData(what, where, _shape_fix(array.shape, spec))


def _shape_fix(shape: tuple[int, ...], spec: InputSpec) -> str:
    wanted = spec.shape or ()
    if spec.form == "sequence":
        return f"The input is a sequence of tensors: give the {len(wanted) - 1} axes of a tensor behind [samples, tensors]."
    if len(shape) == len(wanted) - 1 > 1:
        for order in permutations(range(len(shape))):
            if _agrees([shape[i] for i in order], wanted[1:]):
                return f"Transpose the array: x.transpose{(0, *(i + 1 for i in order))}."
    sample = ", ".join("?" if d is None else str(d) for d in wanted[1:])
    return f"Axis 0 of an array is the sample: give [samples, {sample}], or one rank more when each row is a whole feed."
