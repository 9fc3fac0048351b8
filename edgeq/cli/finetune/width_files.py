"""The widths of `edgeq finetune --bits 8,4,2`, the names of their files and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeq.errors import BadRecipe


def parse_widths(word: str | None, granularity: str | None) -> tuple[int, ...]:
    """The value of --bits, such as `4` or `8,4,2`, as widths in the given order.

    word: None gives no widths. Raises BadRecipe, also for a granularity without widths.
    """
    from edgeq.numerics.codebook import BITS

    if word is None:
        if granularity is not None:
            raise BadRecipe("--granularity belongs to codebooks, and there are none.", "--granularity", "Add --bits, or leave it out.")
        return ()
    widths = tuple(int(part) if part.strip().isdecimal() else 0 for part in word.split(","))
    if any(bits not in BITS for bits in widths) or len(set(widths)) < len(widths):
        known = ", ".join(map(str, BITS))
        raise BadRecipe(f"These are not widths: {word!r}.", "--bits", f"Give one or several of {known}, each once, as in 8,4,2.")
    return widths


def of_width(path: Path, bits: int) -> Path:
    """The path of a file of one width: model.onnx -> model.w4.onnx."""
    return path.with_suffix(f".w{bits}{path.suffix}")


def checkpoint_path(model: Path) -> Path:
    """The path of a model's checkpoint: model.w4.onnx -> model.w4.ckpt."""
    return model.with_suffix(".ckpt")


def refuse_single(options: Mapping[str, bool]) -> None:
    """Refuse options that are for a single int8 model.

    options: name -> whether it was given. Raises BadRecipe.
    """
    idle = next((name for name, given in options.items() if given), None)
    if idle is not None:
        raise BadRecipe(f"{idle} is for one int8 model.", idle, f"Leave {idle} out, or fine-tune the widths one by one.")


def check_float(widths: tuple[int, ...], options: Mapping[str, bool]) -> None:
    """Refuse options without a meaning for models that stay float, and missing widths.

    options: name -> whether it was given. Raises BadRecipe.
    """
    if not widths:
        raise BadRecipe("With --compute float only codebooks can be trained.", "--compute", "Add --bits, as in --bits 4.")
    idle = next((name for name, given in options.items() if given), None)
    if idle is not None:
        raise BadRecipe(f"{idle} is for int8 compute.", idle, f"Leave {idle} or --compute float out.")
