"""C source compiles whatever the file is called."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from edgeq.api import quantize
from edgeq.integers.emit import emit_tflite
from edgeq.integers.tflite.c_source import c_source, symbol_of
from edgeq.runtimes.table import look_up
from edgeq.schema.recipe import Recipe
from tests.targets.test_integer_only import net, samples

NAMES = ("🦔", "2nd model", "int", "class", "", "größe", 'a"b', "a\\b", "x\n#error no", "uint8_t", "main", "_", "头部.int8", "a??/b")


@cache
def model() -> bytes:
    return emit_tflite(quantize(net(), samples(), target="mcu_tflite", recipe=Recipe(effort="fast"), prove=False).model)


@pytest.mark.parametrize("name", NAMES)
def test_a_symbol_is_an_identifier_that_is_not_taken(name: str) -> None:
    symbol = symbol_of(name)
    assert symbol.isascii() and symbol.isidentifier() and symbol not in ("int", "class", "main", "uint8_t")


def test_ordinary_names_keep_their_symbols() -> None:
    assert [symbol_of(name) for name in ("mobilenet_v2", "kws-8", "Int", "interval")] == ["mobilenet_v2", "kws_8", "Int", "interval"]


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_under_every_name(name: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not look_up("tflm").installed:
        pytest.skip("needs a C compiler and TFLite Micro")
    text, symbol = c_source(model(), name), symbol_of(name)
    if name.isprintable() and "/" not in name:
        (tmp_path / f"{name}.h").write_text(text.header)
    (tmp_path / "source.c").write_text(text.source)
    (tmp_path / "user.c").write_text(text.header + f"unsigned int size(void) {{ return {symbol}[0] + {symbol}_len; }}\n")
    for file in ("source.c", "user.c"):
        done = subprocess.run(
            [compiler, "-std=gnu11", "-Wall", "-Werror", "-c", file, "-o", f"{file}.o"], cwd=tmp_path, capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
