"""A folder as a data set: its set.toml, the files of one split, and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgeq.data.checks import unknown_input
from edgeq.data.labels import read_labels
from edgeq.data.set_toml import DataSet, SetInput, Split, read_set
from edgeq.data.sources import SAMPLE_SUFFIXES, FileSource, OpenedSource, holds_samples, open_arrays
from edgeq.errors import BadData
from edgeq.graph.signature import InputSpec
from edgeq.io.run_files import links_are_followed, note_named

#: the most `**` of one pattern: each makes the search take the depth of the folder times as long
MAX_WALKS = 2


@dataclass(frozen=True, eq=False)
class Folder:
    """One split of a folder."""

    #: its samples, labels and notes
    opened: OpenedSource
    #: name of the set
    name: str
    #: task metric that set.toml names; None: it names none
    metric: str | None
    #: preprocessing by input name
    how: Mapping[str, SetInput]


def open_folder(folder: Path, inputs: Sequence[InputSpec], split: str, *, classes: bool = True) -> Folder:
    """Open the part `split` of the set in `folder`.

    Every file is one sample, but a single .npy or .npz file may hold all of them. classes: as for
    open_arrays. Raises BadData.
    """
    toml = folder / "set.toml"
    if not toml.is_file():
        plain = DataSet(schema_version=1, name=folder.resolve().name)
        return Folder(_open_split(folder, plain.choose(split, str(folder)), inputs, {}, classes=classes), plain.name, None, {})
    refuse_link_out(folder, toml)
    described = read_set(toml)
    how = {entry.name: entry for entry in described.input}
    known = {spec.name for spec in inputs}
    stray = next((name for name in how if name not in known), None)
    if stray is not None:
        raise unknown_input(stray, inputs, f"{toml}, [[input]]")
    opened = _open_split(folder, described.choose(split, str(toml)), inputs, how, classes=classes)
    return Folder(opened, described.name, described.metric, how)


def _open_split(folder: Path, split: Split, inputs: Sequence[InputSpec], how: Mapping[str, SetInput], *, classes: bool) -> OpenedSource:
    if split.file is not None:
        opened = open_arrays(inside(folder, split.file), inputs, classes=classes)
        names = None
    else:
        files = _find(folder, split.files, split.labels)
        all_samples = files[0] if len(files) == 1 and holds_samples(files[0], inputs) else None
        names = None if all_samples is not None else [path.relative_to(folder).as_posix() for path in files]
        opened = (
            OpenedSource(FileSource(files, tuple(inputs), how))
            if all_samples is None
            else open_arrays(all_samples, inputs, classes=classes)
        )
    if split.labels is None:
        return opened
    labels = read_labels(inside(folder, split.labels), names, opened.source.count, classes=classes)
    return OpenedSource(opened.source, labels, opened.notes)


def inside(folder: Path, name: str) -> Path:
    """The path of the file `name` in the folder.

    Raises BadData when the file is missing or when the name leads out of the folder.
    """
    _check_inside(folder, name)
    path = folder / name
    if not path.is_file():
        raise BadData(f"The file `{name}` is missing.", str(folder / "set.toml"), "Put it there or correct the name.")
    refuse_link_out(folder, path)
    return path


def refuse_link_out(folder: Path, path: Path) -> None:
    """Raise BadData for a file that a link puts into the folder, unless the user allows that.

    A folder from elsewhere could otherwise hand any file of this machine to the run, and to its
    reports.
    """
    if not links_are_followed() and not path.resolve().is_relative_to(folder.resolve()):
        fix = "Copy the file into the folder, or pass --follow-links if you trust who made the folder."
        raise BadData("A link leads out of the data folder.", str(path), fix)


def _check_inside(folder: Path, name: str) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or not name:
        raise BadData(
            f"The name `{name}` leads out of the folder.", str(folder / "set.toml"), "Use names below the folder, with forward slashes."
        )


def _find(folder: Path, patterns: Sequence[str], labels: str | None) -> tuple[Path, ...]:
    """The sample files, each once, sorted by their names relative to the folder.

    The order is therefore the same on every machine.
    """
    found: set[str] = set()
    for pattern in patterns:
        _check_inside(folder, pattern)
        if PurePosixPath(pattern).parts.count("**") > MAX_WALKS:
            what, fix = f"The pattern `{pattern}` has more than {MAX_WALKS} `**`.", "One `**` matches folders of any depth."
            raise BadData(what, str(folder / "set.toml"), fix)
        paths = (path for path in folder.glob(pattern) if path.suffix.lower() in SAMPLE_SUFFIXES and path.is_file())
        found.update(path.relative_to(folder).as_posix() for path in paths)
    found.discard(labels or "")
    if not found:
        kinds = ", ".join(SAMPLE_SUFFIXES)
        raise BadData(
            f"No samples: no file matches {', '.join(patterns)}.", str(folder), f"Put samples there ({kinds}), or name them in set.toml."
        )
    files = tuple(folder / name for name in sorted(found))
    for path in files:
        refuse_link_out(folder, path)
    note_named(files)
    return files
