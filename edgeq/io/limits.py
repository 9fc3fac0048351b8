"""Hold what is read to limits: a model to the memory that there is, text to size, depth and keys.

Parsers of TOML and JSON take time, memory and stack as the text asks for; each of these functions
takes time linear in the text.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

#: bytes of a model that any machine takes
MODEL_BYTES = 2 << 30
#: used where the system does not tell how much is free
DEFAULT_BYTES = 2 << 30
#: the most bytes of what a user writes by hand: recipe, target, set.toml
MAX_TOML = 1 << 20
#: bytes of what edgeq writes and reads again that any machine takes
MAX_JSON = 1 << 28
#: how deep tables and lists may lie in each other; documents of edgeq reach 8
MAX_DEPTH = 32
#: the most parts of a dotted key
MAX_PARTS = 16
#: the most characters of a key that stands without quotes
MAX_KEY = 256
#: the most characters of one text of a JSON document, unless it is the codes of a weight
MAX_STRING = 1 << 20

# a text that nothing ends goes to the end of its line or of the file, so that no character is seen
# twice
_TOML_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*(?:"""|\\?\Z)'
    r"|'''(?:[^']|'(?!''))*(?:'''|\Z)"
    r'|"(?:[^"\\\n]|\\.)*(?:"|\\?\Z|(?=\n))'
    r"|'[^'\n]*'?"
    r"|#[^\n]*",
    re.DOTALL,
)
_PART = r'(?:[\w-]+|"")'
_LONG_KEY = re.compile(rf'(?<![\w".-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MAX_PARTS}}}')
_LONG_WORD = re.compile(rf"(?<![\w-])[\w-]{{{MAX_KEY + 1}}}")
_JSON_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
# codes are base64, and stand behind a key
_LONG_STRING = re.compile(rf'"(?![A-Za-z0-9+/]++={{0,2}}"\s*+[,}}])[^"]{{{MAX_STRING + 1}}}')


def most_model_bytes() -> int:
    """The largest model that is read unless the user says otherwise.

    Large weights are mapped, yet their codes and what they are rounded with take about as much
    again: a quarter of what is free.
    """
    return max(MODEL_BYTES, free_bytes() // 4)


def most_json_bytes() -> int:
    """The largest JSON document that is read: plans hold about 1.3 bytes for each weight."""
    return max(MAX_JSON, free_bytes() // 8)


def free_bytes() -> int:
    """The bytes of memory that are free now."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2 * DEFAULT_BYTES


def limited_text(path: Path, most: int) -> str:
    """The text of a regular file of at most `most` bytes.

    Raises OSError if it cannot be read, ValueError if it is too large or not UTF-8.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"it has {size} bytes; the limit is {most}")
    return path.read_text(encoding="utf-8")


def check_regular(path: Path) -> None:
    """Raises ValueError for a device, a pipe, a socket or a folder, whose reading may never end."""
    if path.exists() and not path.is_file():
        raise ValueError("it is not a regular file")


def check_toml(text: str) -> None:
    """Raises ValueError for TOML that is larger or deeper than documents of edgeq can be."""
    if len(text) > MAX_TOML:
        raise ValueError(f"it has more than {MAX_TOML} characters")
    bare = _TOML_TEXT.sub(lambda found: "" if found[0][0] == "#" else '""', text)
    if _LONG_KEY.search(bare):
        raise ValueError(f"a key has more than {MAX_PARTS} parts")
    if _LONG_WORD.search(bare):
        raise ValueError(f"a key or number has more than {MAX_KEY} characters")
    _check_depth(bare)


def parse_json(text: str) -> object:
    """The document in the text.

    Raises ValueError for text that is no JSON, or larger or deeper than documents of edgeq can be.
    """
    from pydantic_core import from_json

    if len(text) > MAX_JSON and len(text) > (most := most_json_bytes()):  # which is never below MAX_JSON
        raise ValueError(f"it has more than {most} characters")
    if _LONG_STRING.search(text):
        raise ValueError(f"a text in it has more than {MAX_STRING} characters")
    _check_depth(_JSON_TEXT.sub("", text))
    document: object = from_json(text)
    return document


def _check_depth(bare: str) -> None:
    steps = (1 if mark in "[{" else -1 for mark in re.findall(r"[\[\]{}]", bare))
    if max(itertools.accumulate(steps), default=0) > MAX_DEPTH:
        raise ValueError(f"its tables and lists lie more than {MAX_DEPTH} deep in each other")
