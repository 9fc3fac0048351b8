"""What the documentation site adds to the pages: the commands' help, the table of operators,
notebooks, and the decisions in the navigation. Links out of docs/ become plain text there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from edgeq.schema.target import Target

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads this file by its path

from notebooks import as_markdown

DOCS = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]*)(#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every decision is a page of the navigation."""
    decisions = [f"decisions/{page.name}" for page in sorted((DOCS / "decisions").glob("*.md"))]
    config.nav[-1]["Explanation"].append({"Decisions": decisions})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written from the code."""
    from mkdocs.structure.files import File

    for name, text in (("python-api.md", python_page()), ("commands.md", commands_page()), ("operators.md", operators_page())):
        files.append(File.generated(config, f"reference/{name}", content=text))
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=as_markdown(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Replace links that leave docs/ (to code, to files at the root) by their words."""
    folder = Path(page.file.src_uri).parent
    return LINK.sub(lambda found: found[0] if _inside(folder, found[2]) else found[1], markdown)


def _inside(folder: Path, path: str) -> bool:
    """Whether a link stays in docs/; one that leads nowhere there is left for mkdocs to find."""
    goal = (DOCS / folder / path).resolve()
    return path == "" or (goal.is_relative_to(DOCS) and not goal.is_dir())


def python_page() -> str:
    """The public names of edgeq, each where it is defined."""
    import edgeq

    homes = (f"::: {getattr(edgeq, name).__module__}.{name}\n" for name in edgeq.__all__)
    intro = "What `import edgeq` gives. How data and models are handed in: [data and models in Python](../python.md).\n"
    return "\n".join(["# Python\n", intro, *homes])


def commands_page() -> str:
    """The help of every command, as the program prints it."""
    import typer

    from edgeq.cli.app.commands import app

    group = typer.main.get_command(app)
    parts = ["# Commands\n", "Written from the program's own help.\n"]
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]  # the app is a group
        parts.append(f"## edgeq {name}\n\n{_plain(command.help or '')}\n\n| option | value | |\n|---|---|---|\n")
        for one in command.params:
            named = [word for word in one.opts if word.startswith("-")]
            value = "" if getattr(one, "is_flag", False) or not named else f"`{(one.metavar or 'VALUE').replace('|', ' or ')}`"
            words = ", ".join(f"`{word}`" for word in named or [one.metavar or (one.name or "").upper()])
            parts.append(f"| {words} | {_cell(value)} | {_cell(_plain(getattr(one, 'help', '') or ''))} |\n")
        examples = "\n".join(line.strip() for line in _plain(str(command.epilog or "")).splitlines() if line.strip().startswith("edgeq"))
        parts.append(f"\n```text\n{examples}\n```\n" if examples else "")
    return "\n".join(parts[:2]) + "\n" + "".join(parts[2:])


def _plain(text: str) -> str:
    """Text of the help without the marks of the terminal."""
    return re.sub(r"\[/?(?:bold|dim|italic|cyan)\]", "", text.replace("\\[", "[")).replace("\b", "").strip()


def _cell(text: str) -> str:
    """Text as it may stand in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def operators_page() -> str:
    """Which operator has an integer kernel on which target."""
    from edgeq.schema.target import load_target, shipped_targets

    targets = {name: load_target(name) for name in shipped_targets()}
    rows = sorted({op for target in targets.values() for op in integer_operators(target)})
    lines = [
        "# Operators by target\n",
        "Written from the targets. *yes*: computed in integers, under the conditions that the target states.\n",
        "| operator | " + " | ".join(targets) + " |",
        "|---" * (len(targets) + 1) + "|",
    ]
    for op in rows:
        marks = ("yes" if op in integer_operators(target) else "" for target in targets.values())
        lines.append(f"| {op} | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def integer_operators(target: Target) -> frozenset[str]:
    """The operators that a target computes or moves on integers."""
    return frozenset(kernel.op for kernel in target.kernel) | frozenset(target.movement.ops)
