"""Install the lowest versions that pyproject.toml allows, and try edgeq with them.

For each Python of 3.11 to 3.14 that this machine has: an environment of its own with exactly the
lower bound of every direct dependency (the lowest version above it that has a wheel for that
Python), then `edgeq demo`, the help of every command and the tests named in TESTS.

    python .ci/floors.py [--only 3.12] [--show]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".floors-venv"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
#: extras whose lower bounds are installed too; the packages of [backends] belong to other machines
#: as well, and [learn] is left out: only the newest torch can be had as a build without CUDA
EXTRAS = ("report", "tflite")
#: what runs the tests, at its lower bounds of [dev]
TOOLS = ("pytest", "hypothesis", "scikit-learn")
TESTS = (
    "tests/docs/test_blocks.py",
    "tests/docs/test_command_lines.py",
    "tests/test_doctests.py",
    "tests/test_digits.py",
)


def lower_bounds(project: dict[str, object], extras: tuple[str, ...], tools: tuple[str, ...]) -> dict[str, str]:
    """Package -> its lower bound, of the dependencies, of some extras and of some tools of [dev].

    project: the table [project] of a pyproject.toml. Raises KeyError for a tool that [dev] lacks.
    """
    optional = project["optional-dependencies"]
    listed = [*project["dependencies"], *(one for extra in extras for one in optional[extra])]
    bounds = dict(re.findall(r"^([\w.-]+)>=([\w.]+)$", "\n".join(listed), re.MULTILINE))
    of_dev = dict(re.findall(r"^([\w.-]+)>=([\w.]+)$", "\n".join(optional["dev"]), re.MULTILINE))
    return bounds | {name: of_dev[name] for name in tools}


def order(version: str) -> tuple[int, ...]:
    """A version as numbers, for comparing; zeros at its end do not count."""
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def lowest(bound: str, offered: list[str]) -> str | None:
    """The lowest of the offered versions that is not below the bound; None: there is none."""
    fitting = [version for version in offered if order(version) >= order(bound)]
    return min(fitting, key=order, default=None)


def refused(said: str) -> tuple[str, list[str]] | None:
    """The package that pip has no wheel of, and the versions that have one; None: not that.

    Where only a package that it brings has no wheel, that one's versions are of no use: none.
    """
    found = re.search(r"satisfies the requirement ([\w.-]+)==\S+ (?:\(from ([\w.-]+)\) )?\(from versions: ([^)]*)\)", said)
    if found is None:
        return None
    name, brought_by, listed = found.groups()
    return (brought_by, []) if brought_by else (name, [version for version in listed.split(", ") if re.fullmatch(r"[\d.]+", version)])


def offered(python: Path, package: str) -> list[str]:
    """The versions of a package that have a wheel, as pip lists them where it is asked for none."""
    words = [python, "-m", "pip", "install", "--dry-run", "--no-deps", "--only-binary", ":all:", f"{package}==0.0.0.dev0"]
    missing = refused(subprocess.run(words, capture_output=True, text=True, check=False).stderr)
    return [] if missing is None else missing[1]


def interpreter(version: str) -> Path | None:
    """A Python of this version that starts: of the path, or of pyenv; None: there is none."""
    found = [shutil.which(f"python{version}"), *sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))]
    for path in found:
        if path is not None and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(path)
    return None


def install(python: Path, bounds: dict[str, str]) -> bool:
    """Install the lowest versions into an environment and print them. False: they cannot be had.

    pip is asked for the bounds themselves; where one has no wheel, for the next version that does.
    """
    pins = dict(bounds)
    while True:
        words = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *(f"{name}=={pin}" for name, pin in pins.items())]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        missing = refused(done.stderr)
        if done.returncode == 0 or missing is None:
            break
        name, versions = missing
        if name not in bounds:
            break
        versions = versions or [one for one in offered(python, name) if order(one) > order(pins[name])]
        pin = lowest(bounds[name], versions)
        if pin is None or pin == pins[name]:
            break
        pins[name] = pin
    for name, bound in bounds.items():
        print(f"  {name}>={bound}: {pins[name]}")
    if done.returncode != 0:
        print("\n".join(line for line in done.stderr.splitlines() if not line.startswith("WARNING")), flush=True)
    return done.returncode == 0


def tried(python: Path, home: Path) -> bool:
    """Whether the demo, the help of edgeq and the tests pass with this Python's packages."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    start = "import sys; from edgeq.cli.main import main; sys.exit(main())"
    lines = (
        [python, "-c", start, "demo", "--force", "-o", home / "demo"],
        [python, "-c", start, "--help"],
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *TESTS],
    )
    return all(subprocess.run(line, cwd=ROOT, env=environment, check=False).returncode == 0 for line in lines)


def main() -> int:
    """Try every Python that is there; the exit code tells whether all of them passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="VERSION", choices=PYTHONS, help="one Python instead of all")
    parser.add_argument("--show", action="store_true", help="install, and run nothing")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = lower_bounds(project, EXTRAS, TOOLS)
    failed, seen = [], 0
    for version in [options.only] if options.only else PYTHONS:
        source = interpreter(version)
        print(f"Python {version}: {source or 'not on this machine'}", flush=True)
        if source is None:
            continue
        seen += 1
        home = HOME / version
        if not (home / "bin" / "python").exists():
            subprocess.run([source, "-m", "venv", home], check=True)
        python = home / "bin" / "python"
        if not install(python, bounds) or not (options.show or tried(python, home)):
            failed.append(version)
    print(f"lowest versions: {seen - len(failed)} of {seen} Pythons pass" + (f"; not {', '.join(failed)}" if failed else ""))
    return 1 if failed or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
