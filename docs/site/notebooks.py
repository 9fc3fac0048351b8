"""Notebooks as pages: text, code, what it printed and its pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def as_markdown(path: Path) -> str:
    """A notebook with its outputs, in Markdown; pictures are data inside the page."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    note = f"*This page is the notebook `docs/notebooks/{path.name}`.*\n"
    parts = [part for cell in cells for part in _cell(cell)]
    return "\n".join([parts[0], note, *parts[1:]])


def _cell(cell: dict[str, Any]) -> list[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [f"{text}\n"]
    return [f"```python\n{text}\n```\n", *(_output(one) for one in cell["outputs"])]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f"![what the cell above draws](data:image/png;base64,{data['image/png'].strip()})\n"
    text = "".join(output.get("text", data.get("text/plain", "")))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip()
    return f"```text\n{plain}\n```\n" if plain else ""
