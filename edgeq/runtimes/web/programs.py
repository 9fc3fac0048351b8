"""What onnxruntime-web needs on this machine: the npm package, Node, and a browser."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

#: as npm calls it
PACKAGE = "onnxruntime-web"
#: names of browsers that can run without a window
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def package_folder() -> Path | None:
    """The folder of the npm package; None: it is not installed.

    It is looked for as Node does, in node_modules of this folder and those above it, then in
    NODE_PATH, then among the packages that `npm install -g` puts beside Node.
    """
    return next((folder for folder in _candidates() if (folder / "package.json").is_file()), None)


def _candidates() -> Iterator[Path]:
    here = Path.cwd()
    for folder in (here, *here.parents):
        yield folder / "node_modules" / PACKAGE
    for listed in os.environ.get("NODE_PATH", "").split(os.pathsep):
        if listed:
            yield Path(listed) / PACKAGE
    if (node := node_program()) is not None:
        yield Path(node).resolve().parents[1] / "lib" / "node_modules" / PACKAGE


def package_version() -> str | None:
    """The version of the npm package; None: it or Node is not installed."""
    folder = package_folder()
    if folder is None or node_program() is None:
        return None
    return str(json.loads((folder / "package.json").read_text(encoding="utf-8")).get("version", "unknown"))


def node_program() -> str | None:
    """The path of Node; None: it is not installed."""
    return shutil.which("node")


def browser_program() -> str | None:
    """The path of a browser that can run without a window; None: there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)
