"""Commands whose help names no type of a flag, and shows examples that can be pasted."""

from __future__ import annotations

import re
from typing import Any

from rich.text import Text

from edgeq.cli.screen import stdout_console

#: an example, and what is said about it behind three blanks or more
_REMARK = re.compile(r"\s{3,}\(?(.*?)\)?$")


class WithExamples:
    """A command whose epilog holds examples, one a paragraph."""

    epilog: str | None

    def get_params(self, ctx: Any) -> list[Any]:  # typer does not export the types of its parent
        """The options; a flag takes no value, so that no type stands behind it."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # of typer's class
        for one in found:
            if getattr(one, "is_flag", False) and one.metavar is None:
                one.metavar = ""
        return found

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and then the examples as they are: a terminal folds them without breaks.

        Boxes and hard line ends would have to be taken out of a command again before it runs.
        """
        examples, self.epilog = self.epilog, None
        try:
            super().format_help(ctx, formatter)  # type: ignore[misc]
        finally:
            self.epilog = examples
        show_examples(examples or "")


def show_examples(text: str) -> None:
    """Print examples, each below what is said about it.

    text: paragraphs of rich markup; those that begin with a blank are commands, with what is said
    about them behind three blanks or more.
    """
    console = stdout_console()
    for paragraph in text.split("\n\n"):
        if not paragraph.startswith(" "):
            console.print(Text.from_markup(paragraph), "", sep="\n", soft_wrap=True)
            continue
        line = paragraph.strip()
        remark = _REMARK.search(line)
        if remark is not None:
            console.print(Text.from_markup(f"# {remark[1]}", style="dim"), soft_wrap=True)
        console.print(Text.from_markup(line[: remark.start()] if remark else line), soft_wrap=True)
    console.print()
