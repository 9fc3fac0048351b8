"""Arithmetic, comparisons and choices, in the forms that are tried on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.hexagon.paired import Form
from edgeq.testing.case import floats, number

TWO = {"a": (1, 8, 6, 6), "d": (1, 8, 6, 6)}


def _arithmetic() -> Iterator[Form]:
    for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "Sum", "Mean"):
        positive = op in ("Div", "Pow")
        extra = "<fmod = 1>" if op == "Mod" else ""
        yield Form(f"{op} two", f"b = {op}{extra}(a, d)", TWO, positive=positive)
        yield Form(f"{op} broadcast channels", f"b = {op}{extra}(a, d)", {"a": (1, 8, 6, 6), "d": (1, 8, 1, 1)}, positive=positive)
        yield Form(f"{op} broadcast both", f"b = {op}{extra}(a, d)", {"a": (1, 8, 6, 1), "d": (1, 1, 1, 6)}, positive=positive)
        yield Form(f"{op} ranks", f"b = {op}{extra}(a, d)", {"a": (1, 8, 6, 6), "d": (6,)}, positive=positive)
        yield Form(f"{op} constant", f"b = {op}{extra}(a, k)", constants={"k": np.abs(floats(8, 1, 1)) + 1}, positive=positive)
        yield Form(f"{op} number", f"b = {op}{extra}(a, k)", constants={"k": number(2)}, positive=positive)
        yield Form(f"{op} constant first", f"b = {op}{extra}(k, a)", constants={"k": np.abs(floats(8, 1, 1)) + 1}, positive=positive)
        yield Form(f"{op} same", f"b = {op}{extra}(a, d)", TWO, copies=True, positive=positive)
    yield Form("Pow square, real", "b = Pow(a, k)", constants={"k": number(2)}, stored={"k": "real"})
    yield Form("Pow square, negative base", "b = Pow(a, k)", constants={"k": number(2)})
    yield Form("Pow root", "b = Pow(a, k)", constants={"k": number(0.5)}, positive=True)
    yield Form("Pow inverse root", "b = Pow(a, k)", constants={"k": number(-0.5)}, positive=True)
    yield Form("Pow cube", "b = Pow(a, k)", constants={"k": number(3)})
    yield Form("Div mixed", "b = Div(a, d)", {"a": (1, 8, 6, 6), "d": (1, 8, 1, 1)}, positive=True, ranges={"a": (-6.0, 6.0)})
    for op in ("Sum", "Mean", "Max", "Min"):
        yield Form(f"{op} three", f"b = {op}(a, d, e)", {**TWO, "e": (1, 8, 6, 6)})
    for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
        yield Form(f"{op} two", f"b = {op}(a, d)", TWO)
        yield Form(f"{op} number", f"b = {op}(a, k)", constants={"k": number(0.5)})
    mask = np.arange(288).reshape(1, 8, 6, 6) % 3 == 0
    yield Form("Where condition input", "b = Where(m, a, d)", {"m": mask, **TWO})
    yield Form("Where condition input same", "b = Where(m, a, d)", {"m": mask, **TWO}, copies=True)
    yield Form("Where condition constant", "b = Where(m, a, d)", TWO, {"m": mask})
    yield Form("Where number", "b = Where(m, a, k)", {"m": mask, "a": (1, 8, 6, 6)}, {"k": number(-2)})
    yield Form("Where broadcast", "b = Where(m, a, k)", {"m": mask[:, :1], "a": (1, 8, 6, 6)}, {"k": number(-2)})
    yield Form("Where of comparison", "m = Greater(a, t) b = Where(m, a, d)", TWO, {"t": number(0)})


def arithmetic() -> Iterator[Form]:
    """All of them."""
    for group in (_arithmetic,):
        yield from group()
