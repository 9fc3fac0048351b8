"""Tests that the numbers which the pages state are those of the code, and that lists which they
write out are complete.
"""

from __future__ import annotations

import importlib
import re
import tomllib
from typing import get_args

import pytest

from edgeq.numerics.codebook import BITS
from edgeq.schema.plan import Because
from edgeq.schema.recipe import Recipe
from edgeq.schema.target import load_target, shipped_targets
from tests.docs.written import ROOT, numbered
from tests.test_packaging import MAX_FILE, MAX_FUNCTION

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOWEST, WAYS = "docs/concepts.md", "docs/recipes.md"
#: page, its words with {} for each number, and where in the code the numbers are: module:name, with
#: an index or a factor behind it
SAID = (
    (LOWEST, "max|r| < {} * 2^e", ("edgeq.calibration.histogram:BINS",)),
    (
        LOWEST,
        "less than {} dB and its own grid gives it at least {} dB",
        ("edgeq.planning.parts:SERVED_DB", "edgeq.planning.parts:GAINED_DB"),
    ),
    (LOWEST, "up to {} samples and {} rows x of each", ("edgeq.calibration.grid_errors:VISITS", "edgeq.calibration.grid_errors:ROWS")),
    (LOWEST, "the {}, {} or {} quantile", tuple(f"edgeq.refine.input_grids.candidates:QUANTILES:{place}" for place in range(3))),
    (LOWEST, "if it is {} dB better at the worst", ("edgeq.refine.first_steps:CLEARLY_DB",)),
    (LOWEST, "Below {} samples (held-out ones", ("edgeq.planning.few_samples:ENOUGH",)),
    (LOWEST, "1 - n / {},", ("edgeq.planning.few_samples:ENOUGH",)),
    (LOWEST, "as {} samples may ({} where", ("edgeq.planning.few_samples:REACH", "edgeq.planning.few_samples:REACH_OF_CODES")),
    (LOWEST, "on up to {} samples, the integer model as corrected", ("edgeq.refine.step_by_step.bias_correction:SAMPLES",)),
    (LOWEST, "|a| + |b| <= {}", ("edgeq.schema.target_facts:PAIR_LIMIT",)),
    (LOWEST, "default's plan is below {} dB", ("edgeq.search.meter:USELESS_DB",)),
    (LOWEST, "each of up to {} groups of neighbouring layers", ("edgeq.search.rescue:GROUPS",)),
    (LOWEST, "Times within {} % are a tie", ("edgeq.search.points:TIE:*100",)),
    (LOWEST, "Of {} samples or more, one in five is held out", ("edgeq.data.held_out:LEAST",)),
    (LOWEST, "the mean over all, by {} dB or more", ("edgeq.refine.judge:TIE_DB",)),
    (LOWEST, "A step that falls by less than {} dB is tried once more", ("edgeq.refine.gate:DOUBT_DB",)),
    (LOWEST, "of the held-out samples by more than {} dB, these were lucky", ("edgeq.proof.evidence:LUCKY_DB",)),
    (LOWEST, "below {} dB it is a warning", ("edgeq.proof.findings:WEAK_DB",)),
    (LOWEST, "The factors are powers of 2^(1/{})", ("edgeq.schema.scaling:STEPS",)),
    (
        WAYS,
        "hold the floors, or without floors are at most {} dB behind",
        ("edgeq.search.points:TOLERANCE_DB",),
    ),
    ("docs/codebooks.md", "a half has fewer than {} rows a column", ("edgeq.refine.step_by_step.sequence_goal:ROWS_PER_COLUMN",)),
    ("docs/codebooks.md", "on up to {} samples that run through", ("edgeq.refine.step_by_step.round_in_sequence:SAMPLES",)),
    ("docs/codebooks.md", "where {} samples do not fit into 1 GiB", ("edgeq.refine.step_by_step.round_in_sequence:LEAST_SAMPLES",)),
    ("docs/codebooks.md", "is measured on {} samples, the error", ("edgeq.calibration.sensitivity:SAMPLES",)),
    ("docs/codebooks.md", "Without `--max-drop` it is {} points", ("edgeq.few_bits.widths:MAX_DROP",)),
    ("docs/finetuning.md", "model.int8.onnx about {} minutes", ("edgeq.schema.finetune:DEFAULT_MINUTES",)),
    ("CHANGELOG.md", "outputs below {} dB, numbers that are not finite", ("edgeq.proof.findings:WEAK_DB",)),
)


def number_of(place: str) -> float:
    """The number in the code that a place names: module:name, :index or :*factor."""
    module, name, *more = place.split(":")
    value = getattr(importlib.import_module(module), name)
    for one in more:
        value = value * float(one[1:]) if one.startswith("*") else value[int(one)]
    return float(value)


def said_in(text: str, words: str) -> list[float]:
    """The numbers that stand in a text where the words have {}; none where the words are not."""
    pattern = re.escape(" ".join(words.split())).replace(r"\{\}", r"([\d,]+(?:\.\d+)?)")
    found = re.search(pattern, " ".join(text.split()))
    return [] if found is None else [float(number.replace(",", "")) for number in found.groups()]


@pytest.mark.parametrize(("page", "words", "places"), SAID, ids=[words[:40] for _, words, _ in SAID])
def test_a_number_is_that_of_the_code(page: str, words: str, places: tuple[str, ...]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert said_in(text, words) == pytest.approx([number_of(place) for place in places])


def test_another_number_is_found() -> None:
    assert said_in("Below 32 samples, or 1,000", "Below {} samples, or {}") == [32, 1000]
    assert said_in("Below 33 samples", "Below {} samples") != [number_of("edgeq.planning.few_samples:ENOUGH")]
    assert said_in("Under 32 samples", "Below {} samples") == []


def rows_of(text: str) -> list[list[str]]:
    """The cells of the rows of tables, without their heads."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_results_of_readme_are_those_of_the_benchmarks() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").partition("## Summary")[2].partition("\n## ")[0]
    results = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Results")[2].partition("\n## ")[0]
    measured = [[row[0], f"{row[3]} dB", f"{row[4]} dB", f"{row[5]}x", f"{row[6]}x"] for row in rows_of(page)[1:]]
    assert len(measured) == 12
    assert rows_of(results)[1:] == measured


# ------------------------------------------------------------------ what installing brings


def names_in(listed: list[str]) -> set[str]:
    """The packages of a list of requirements."""
    return {re.split(r"[>=<\[;]", one)[0] for one in listed}


def test_the_packages_that_installing_brings_are_the_dependencies() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"`pip install \.` brings ([\w,\s-]+)\.", text)
    assert set(re.split(r",\s+|\s+and\s+", told)) == names_in(PROJECT["project"]["dependencies"])


def test_the_packages_of_extras_are_those_of_the_project() -> None:
    """`edgeq[report]` ... (matplotlib, jinja2): the brackets name packages."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Installing")[2]
    extras = PROJECT["project"]["optional-dependencies"]
    told = {name: re.split(r",\s+|\s+and\s+", inside) for name, inside in re.findall(r"`edgeq\[(\w+)\]`[^;`(]*\(([\w,\s-]+)\)", text)}
    assert {"report", "tflite", "learn"} <= set(told)
    assert {name: set(packages) for name, packages in told.items()} == {name: names_in(extras[name]) for name in told}


def test_versions_of_python_are_those_of_the_project() -> None:
    (lowest,) = re.findall(r">=(3\.\d+)", PROJECT["project"]["requires-python"])
    pages = ["README.md", "CONTRIBUTING.md", "Makefile"]
    told = {page: set(re.findall(r"Python (3\.\d+)", (ROOT / page).read_text(encoding="utf-8"))) for page in pages}
    assert told == {page: {lowest} for page in pages}
    assert PROJECT["tool"]["mypy"]["python_version"] == lowest
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")


def test_floors_that_pages_state_are_those_of_the_project() -> None:
    """A sentence that says NAME >= VERSION of a package of ours says its lower bound."""
    listed = [
        *PROJECT["project"]["dependencies"],
        *(one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra),
    ]
    bounds = dict(re.findall(r"^([\w.-]+)>=([\w.]+)$", "\n".join(listed), re.MULTILINE))
    wrong = []
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("test_packaging.py")]):
        for line in numbered(page):
            for name, version in re.findall(r"\b([A-Za-z][\w-]+) ?>= ?(\d[\d.]*)", line.text):
                if name in bounds and bounds[name] != version:
                    wrong.append(f"{line.place}: {name} >= {version}")
    assert wrong == []


def test_a_package_has_one_lower_bound() -> None:
    listed = [
        *PROJECT["project"]["dependencies"],
        *(one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra),
    ]
    bounds: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)>=([\w.]+)$", "\n".join(listed), re.MULTILINE):
        bounds.setdefault(name, set()).add(version)
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}


# ------------------------------------------------------------------ lists that are written out


def test_reasons_of_a_plan_are_all_named() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").partition("* `nodes`:")[2].partition("* `grids`:")[0]
    assert set(re.findall(r"`(\w+)`", text)) - {"runs", "because"} == set(get_args(Because))


def test_widths_of_indices_are_those_of_the_code() -> None:
    """There are no indices of 7 bits: a range of bits that is said of codebooks ends before it."""
    assert BITS == (1, 2, 3, 4, 5, 6, 8)
    said = re.compile(r"(?:indices|weights) of 1 to (?:8|7) bits|1 to 8 bits")
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "docs" / "codebooks.md", ROOT / "benchmarks" / "README.md"]
    assert [line.place for page in pages for line in numbered(page) if said.search(line.text)] == []


def test_bits_of_weights_are_those_of_the_code() -> None:
    """weight_bits: the range that the change log names, beside 8, the default."""
    (low, high) = re.findall(r"`weight_bits`: weights of (\d) to (\d) bits", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[0]

    def taken(bits: int) -> bool:
        try:
            return Recipe(weight_bits=bits).weight_bits == bits
        except ValueError:
            return False

    assert [bits for bits in range(17) if taken(bits)] == [*range(int(low), int(high) + 1), 8]


def test_limits_of_style_are_those_that_are_checked() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lint = PROJECT["tool"]["ruff"]
    assert said_in(text, "Files of at most {} lines, functions of at most {}, complexity at most {},") == [
        MAX_FILE,
        MAX_FUNCTION,
        lint["lint"]["mccabe"]["max-complexity"],
    ]
    assert said_in(text, "Code is at most {} columns wide, prose {}.") == [
        lint["line-length"],
        lint["lint"]["pycodestyle"]["max-doc-length"],
    ]


def test_what_a_target_page_says_of_weights_is_in_the_files() -> None:
    """The third column: the type, the range of the codes and the granularity of each target."""
    text = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8").partition("## Keys")[0]
    rows = {name: cells for name, *cells in re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE)}
    assert set(rows) == set(shipped_targets())
    for name, (activations, weights) in rows.items():
        target = load_target(name)
        assert ("zero point 0" in activations) == target.activations.symmetric, name
        assert ("scales 2^n" in activations) == target.activations.power_of_two, name
        if weights.startswith("as `"):
            assert target.weights.granularity == load_target(weights.split("`")[1]).weights.granularity, name
            continue
        assert weights.startswith(target.weights.dtype), name
        assert ("-127..127" in weights) == target.weights.narrow, name
        assert ("per channel" in weights) == ("per_channel" in target.weights.granularity), name


def test_functions_that_contributing_names_are_in_their_files() -> None:
    """`name` in path: the file defines the name."""
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    named = re.findall(r"`(\w+)`(?: in| of) ((?:edgeq|passes|tests)/[\w/]+\.py)", text)
    assert len(named) > 12
    lost = [(name, path) for name, path in named if not re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8"))]
    assert lost == []


def numbers_in_sources() -> list[tuple[str, float, float]]:
    """(target and operator, number in the words of a source, number of the key beside it)."""
    found = []
    for name in shipped_targets():
        target = load_target(name)
        if target.weights.max_sum is not None:
            (said,) = re.findall(r"must not exceed (\d+)", target.weights.source)
            found.append((f"{name} max_sum", float(said), float(target.weights.max_sum)))
        for kernel in target.kernel:
            where, grid, shift = f"{name} {kernel.op}", kernel.output_grid, re.search(r"of (-?\d+)\.\.(\d+) places", kernel.source)
            for over, under, zero in re.findall(r"scale (\d+)/(\d+), zero point (-?\d+)", kernel.source):
                assert grid is not None, where
                found += [(where, int(over) / int(under), grid.scale), (where, float(zero), float(grid.zero_point))]
            if shift is not None:
                assert kernel.shift is not None, where
                found += [(where, float(shift[place + 1]), float(kernel.shift[place])) for place in range(2)]
            for words, limit in ((r"kernel height 1\.\.(\d+)", kernel.max_window), (r"strides[\w ]* 1\.\.(\d+)", kernel.max_stride)):
                found += [(where, float(said), float(limit or 0)) for said in re.findall(words, kernel.source)]
    return found


def test_numbers_in_sources_are_those_of_the_keys() -> None:
    found = numbers_in_sources()
    assert len(found) > 15
    assert [one for one in found if one[1] != one[2]] == []


def test_paths_in_sources_exist() -> None:
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted((ROOT / "targets").glob("*.toml"))]
    named = [(name, path) for name, text in texts for path in re.findall(r"\b((?:edgeq|passes|tests|benchmarks|docs)/[\w/.-]+\.\w+)", text)]
    assert len(named) > 20
    assert [one for one in named if not (ROOT / one[1]).exists()] == []
