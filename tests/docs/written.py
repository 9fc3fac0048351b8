"""What the pages and the help of edgeq write down for a reader: blocks, command lines and words in
code type, each with its place. For the tests of the words.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import typer

from edgeq.cli.app.commands import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
#: the programs whose command lines a block may consist of
PROGRAMS = ("edgeq", "pip", "make", "python")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # the app is a group


@dataclass(frozen=True)
class Said:
    """Some text and where it stands."""

    #: file and line, such as README.md:9
    place: str
    #: the text itself, without marks of code
    text: str


@dataclass(frozen=True)
class Block:
    """A block of a page that is set in code type."""

    #: file and line of its first line of text
    place: str
    #: the word behind the opening fence; "" for a fence without one; "indented" for a block without
    #: a fence
    kind: str
    #: its lines, without their indentation
    lines: tuple[Said, ...]

    @property
    def text(self) -> str:
        """The lines in one."""
        return "\n".join(line.text for line in self.lines)

    @property
    def is_commands(self) -> bool:
        """Whether it is made of command lines alone."""
        return self.kind in ("", "sh", "indented") and all(
            line.text.split()[:1] and line.text.split()[0] in PROGRAMS for line in self.lines
        )


def numbered(path: Path, text: str | None = None) -> list[Said]:
    """The lines of a file with their places."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    lines = (path.read_text(encoding="utf-8") if text is None else text).splitlines()
    return [Said(f"{name}:{number}", line) for number, line in enumerate(lines, 1)]


def divided(lines: list[Said]) -> tuple[list[Block], list[Said]]:
    """The blocks of a page, and its lines outside of them."""
    blocks, prose = [], []
    index = 0
    while index < len(lines):
        line = lines[index]
        fence = re.match(r"```(\w*)$", line.text)
        start = index
        if fence:
            index = next(end for end in range(start + 1, len(lines)) if lines[end].text == "```")
            blocks.append(Block(line.place, fence[1], tuple(lines[start + 1 : index])))
        elif line.text.startswith("    ") and (start == 0 or not lines[start - 1].text.strip()):
            while index + 1 < len(lines) and lines[index + 1].text.startswith("    "):
                index += 1
            inside = (Said(one.place, one.text[4:]) for one in lines[start : index + 1])
            blocks.append(Block(line.place, "indented", tuple(inside)))
        else:
            prose.append(line)
        index += 1
    return blocks, prose


@cache
def blocks() -> list[Block]:
    """Every block of every page."""
    return [block for page in PAGES for block in divided(numbered(page))[0]]


@cache
def spans() -> list[Said]:
    """Every word in code type of every page, outside of blocks."""
    lines = (line for page in PAGES for line in divided(numbered(page))[1])
    return [Said(line.place, span) for line in lines for span in re.findall(r"`([^`]+)`", line.text)]


def command_of(line: str) -> str:
    """A written line without the remark behind it: two spaces, a # or a bracket begin one."""
    return re.split(r"\s{2,}|\s#|\s\(", line.strip())[0]


def command_lines(lines: list[Said]) -> list[Said]:
    """The command lines among lines of blocks, without their remarks."""
    return [Said(line.place, command_of(line.text)) for line in lines if line.text.split()[:1] and line.text.split()[0] in PROGRAMS]


def helps() -> list[Said]:
    """The command lines in the help of every command, and of edgeq itself."""
    written = {"edgeq": str(typer.main.get_command(app).epilog), **{name: str(command.epilog) for name, command in COMMANDS.items()}}
    lines = [Said(f"edgeq {name} --help", line.strip().replace("\\[", "[")) for name, text in written.items() for line in text.splitlines()]
    return command_lines(lines)


def in_blocks() -> list[Said]:
    """The command lines in blocks of pages."""
    return command_lines([line for block in blocks() if block.is_commands for line in block.lines])


@cache
def literals() -> list[Said]:
    """The texts in the code of the package, docstrings included: messages, fixes, help, reasons."""
    return list(_literals())


def _literals() -> Iterator[Said]:
    for path in sorted([*(ROOT / "edgeq").rglob("*.py"), *(ROOT / "passes").rglob("*.py")]):
        if "edgeq/passes" in path.as_posix().removeprefix(ROOT.as_posix()):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield Said(f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", node.value)


def words_of(line: str) -> list[str]:
    """The words of a command line as a shell would hand them on."""
    return shlex.split(line)
