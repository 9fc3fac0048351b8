"""What may hide in a name is shown wherever the name is printed; JSON keeps it, escaped."""

from __future__ import annotations

import io
import json

import pytest
from rich.text import Text

from edgeq.cli.screen import CleanConsole, Screen, print_error
from edgeq.errors import BadModel
from edgeq.io.strict_json import to_json
from edgeq.io.visible import visible

#: clears the screen, turns what follows around, is one C1 control, one byte that is not UTF-8, and
#: ends a line
NAMES = ("a\x1b[2Jb", "a\u202eb", "a\u2066b", "a\x9bb", "a\udcffb", "a\rb", "a\u2028b", "a\x00b", "a\x7fb")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_hidden_is_left_and_nothing_is_lost(name: str) -> None:
    shown = visible(name)
    assert shown.isprintable() and shown.isascii()
    assert json.loads(f'"{shown}"' if "\\x" not in shown else f'"{shown.replace(chr(92) + "x", chr(92) + "u00")}"') == name


def test_plain_names_of_any_language_stay() -> None:
    for name in ("conv/1:0", "头 部", "größe", "naïve\u3000x", "🦔"):
        assert visible(name) == name


def test_lines_stay_where_text_has_them() -> None:
    assert visible("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b" and visible("a\nb") == "a\\x0ab"


@pytest.mark.parametrize("name", NAMES)
def test_a_console_never_writes_them(name: str) -> None:
    stream = io.StringIO()
    CleanConsole(file=stream, force_terminal=False, width=200).print(Text.assemble(("x", "bold"), name))
    assert stream.getvalue().rstrip("\n").isprintable() and stream.getvalue().encode()


@pytest.mark.parametrize("name", NAMES)
def test_an_error_never_writes_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_error(BadModel(f"what {name}", f"where {name}", f"fix {name}"))
    told = capsys.readouterr().err
    assert told.encode() and all(line.isprintable() for line in told.splitlines()) and len(told.splitlines()) == 3


@pytest.mark.parametrize("name", NAMES)
def test_json_keeps_the_truth_and_escapes_it(name: str) -> None:
    text = to_json({"name": name, name: "größe"})
    assert json.loads(text) == {"name": name, name: "größe"} and "größe" in text
    assert text.encode() and text.replace("\n", "").isprintable()


def test_notes_and_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False, quiet=False)
    screen.note("a\nerror: b\x1b[1A")
    screen.warn("a\r\nb")
    assert capsys.readouterr().err.splitlines() == ["a\\x0aerror: b\\x1b[1A", "warning: a\\x0d\\x0ab"]
