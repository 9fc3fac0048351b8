"""What is wrong with how a run ended: wrong ends have classes, so that equal ones are counted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.one_run import digests
from tests.fuzz.supervisor import BROKEN, End

#: success, bad input, a floor missed
RIGHT_CODES = (0, 2, 3)
_FRAME = re.compile(r'File "[^"]*?((?:edgeq|passes)/[\w/]+\.py)", line \d+, in (\S+)')
#: a complaint in the log of onnxruntime or TFLite; Python's warnings need EDGEQ_DEBUG
_LIBRARY = re.compile(r"\[[EW]:onnxruntime|^(INFO|WARNING|ERROR): [A-Z]")


@dataclass(frozen=True)
class Verdict:
    """A run, judged."""

    #: words after `edgeq`, also of the second command, if it came to it; empty: no case was made
    arguments: tuple[str, ...]
    #: what is wrong; empty: nothing
    classes: tuple[str, ...]
    #: what an EdgeqError said, without its names and numbers; empty: there was none
    refusal: str = ""


def judge(folder: Path, end: End) -> Verdict:
    """The classes of what is wrong. folder: that of the run, with its notes."""
    stage = _text(folder / "stage")
    if not (folder / "case.json").exists() or end.code == BROKEN:
        return Verdict((), (f"the campaign itself failed at stage {stage!r}: {_last_line(end.stderr)}",))
    case = json.loads(_text(folder / "case.json"))
    first = [f"out/{name}" for name in json.loads(_text(folder / "first") or "[]")]
    words = [*case["arguments"], *(["&&", "edgeq", *case["then"]] if (folder / "first").exists() else [])]
    found = [*_ended(end, stage), *_files(folder / "run", end, case["digests"], set(first))]
    found += [_general(line) for line in _text(folder / "refused").splitlines()]
    if end.code in RIGHT_CODES:
        found += _words(end, words)
    refusal = re.search(r"^error: (.*)", end.stderr, re.MULTILINE)
    return Verdict(tuple(words), tuple(found), _general(refusal.group(1)) if refusal else "")


def _ended(end: End, stage: str) -> list[str]:
    found = ["a process was left behind"] if end.left_processes else []
    if end.broke is not None:
        return [*found, f"{end.broke} while {stage}"]
    if end.signal is not None:
        return [*found, f"signal {end.signal} while {stage}"]
    if end.code not in RIGHT_CODES:
        found.append(f"exit code {end.code}: {_raised(end.stderr)}")
    return found


def _raised(stderr: str) -> str:
    """The type of an exception and the last function of edgeq that it went through."""
    bug = re.search(r"This is a bug in edgeq: (\w+)", stderr)
    name = bug.group(1) if bug else re.sub(r":.*", "", _last_line(stderr))
    frames = _FRAME.findall(stderr.rpartition("Traceback (most recent call last)")[2])
    return f"{name} in {':'.join(frames[-1])}" if frames else name


def _files(run: Path, end: End, before: dict[str, str], first: set[str]) -> list[str]:
    """What is wrong with the files after the run: inputs changed, temporaries or halves left.

    first: what an earlier command wrote, which succeeded.
    """
    found = []
    after = digests(run / "in")
    if any(after.get(name) != digest for name, digest in before.items()):
        found.append("a file that was given has changed")
    written = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and not path.is_relative_to(run / "in")}
    written |= {f"in/{name}" for name in after.keys() - before.keys()}
    written.discard("tmp/.ses")  # onnxruntime's own, from some seconds on
    strays = {name for name in written if ".edgeq-tmp-" in name or name.startswith("tmp/") or "/" not in name}
    if strays and end.broke is None and end.signal is None:
        found.append(f"left behind: {_general(min(strays))}")
    if end.code == 2 and written - strays - first:
        found.append(f"written although the run failed: {_general(min(written - strays - first))}")
    return found


def _words(end: End, arguments: list[str]) -> list[str]:
    found = []
    if end.code != 0 and not re.search(r"^ {2}fix: +\S", end.stderr, re.MULTILINE) and "Usage: " not in end.stderr:
        found.append(f"exit code {end.code} without a fix")
    shown = end.stdout + end.stderr[end.stderr.rfind("\nerror: ") + 1 :]  # behind the traceback that EDGEQ_DEBUG asks for
    odd = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    if odd:
        found.append(f"the control character {odd.group()!r} is printed")
    found += [f"a library speaks: {_general(line.rpartition('/')[2])}" for line in end.stderr.splitlines() if _LIBRARY.search(line)][:1]
    if end.code == 0 and "--json" in arguments and "&&" not in arguments and not _is_json(end.stdout):
        found.append("--json printed no JSON")
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _general(text: str) -> str:
    """Without numbers and quoted names, so that equal faults are equal words."""
    return re.sub(r"0x[0-9a-f]+|\d+", "N", re.sub(r"'[^']*'|\"[^\"]*\"|\([^)]*\)", "'...'", text))[:160]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing printed"])[-1][:200]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
