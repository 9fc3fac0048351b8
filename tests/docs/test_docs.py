"""Tests of the words: links lead somewhere, and what is said about recipes and targets is what the
code says.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgeq.engines.wish import EngineWish
from edgeq.schema.codebook import CodebookWish
from edgeq.schema.cost import PlacementWish
from edgeq.schema.finetune import FineTuneWish
from edgeq.schema.pixels import Preprocessing
from edgeq.schema.recipe import Floors, Recipe
from edgeq.schema.rules import RULES
from edgeq.schema.target import load_target, shipped_targets
from edgeq.schema.weight_format import WeightFormats

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code forges make them."""
    heads = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_concepts_name_code_that_exists() -> None:
    """`name` in [file](../file): the file holds the name."""
    text = " ".join((ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").split())
    missing = []
    for names, path in re.findall(r"((?:`\w+`(?:, | and )?)+) in \[[^\]]*\]\(\.\./([^)]+)\)", text):
        source = (ROOT / path).read_text(encoding="utf-8")
        missing += [name for name in re.findall(r"`(\w+)`", names) if not re.search(rf"(def|class) {name}\b", source)]
    assert missing == []


def decisions() -> dict[int, Path]:
    """The page of each decision, by its number."""
    return {int(page.name[:4]): page for page in sorted((ROOT / "docs" / "decisions").glob("*.md"))}


def test_decisions_are_numbered_in_order() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:5] for page in pages] == [f"{number:04d}-" for number in range(1, len(pages) + 1)]
    heads = [page.read_text(encoding="utf-8").partition("\n")[0] for page in pages]
    assert [head for number, head in enumerate(heads, 1) if not head.startswith(f"# {number}. ")] == []


def test_references_to_decisions_lead_somewhere() -> None:
    """In pages, code and targets; by name, as decisions/NNNN, and in words."""
    code = [path for folder in ("edgeq", "passes", "benchmarks", "targets", "tests", "examples") for path in (ROOT / folder).rglob("*")]
    pages, broken = decisions(), []
    for file in [*PAGES, *(path for path in code if path.suffix in (".py", ".toml"))]:
        text = file.read_text(encoding="utf-8")
        names = re.findall(r"\b(0\d{3}-[a-z0-9-]+)\.md", text)
        broken += [(file.name, name) for name in names if not (ROOT / "docs" / "decisions" / f"{name}.md").is_file()]
        numbers = re.findall(r"\bdecisions?(?:/0*| \[?)(\d+)", text, re.IGNORECASE)
        broken += [(file.name, number) for number in numbers if int(number) not in pages]
    assert broken == []


def test_links_to_decisions_say_their_number() -> None:
    """[decision 7](decisions/0008-...) is left behind where pages were numbered anew."""
    wrong = []
    for page in PAGES:
        for words, number in re.findall(r"\[([^\]]*)\]\([^)]*?\b0*(\d+)-[a-z0-9-]+\.md\)", page.read_text(encoding="utf-8")):
            said = re.findall(r"\b0*(\d+)\b", words)
            wrong += [f"{page.name}: {words} -> {number}" for one in said if one != number]
    assert wrong == []


def test_contributing_names_paths_that_exist() -> None:
    """A path with a word in capitals stands for a file that is still to be written."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w/.])(?:\.ci|edgeq|passes|targets|calibration_sets|tests|benchmarks|docs|examples)/[\w./-]*", text)
    named = {path.rstrip(".") for path in paths if not re.search(r"[A-Z]{2}", path)}
    assert len(named) > 40
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_paths_of_files_exist() -> None:
    """In pages, code and targets; from the root, the page's folder, or edgeq/ in short."""
    folders = ("edgeq", "passes", "benchmarks", "examples", "targets")
    code = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".toml")]
    named, broken = 0, []
    for file in [*PAGES, *sorted(code)]:
        for path in re.findall(r"(?<![\w/.-])((?:\.\./)*(?:\w+/)+\w+\.(?:py|toml))\b", file.read_text(encoding="utf-8")):
            inside = path.replace("../", "")
            if re.search(r"[A-Z]{2}", inside):  # a file that is still to be written
                continue
            named += 1
            if not any((start / inside).is_file() for start in (ROOT, ROOT / "edgeq", file.parent)):
                broken.append(f"{file.relative_to(ROOT)}: {path}")
    assert named > 300
    assert broken == []


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "edgeq").glob("*/__init__.py")} - {"passes"}
    assert sorted(room for room in rooms if f"edgeq/{room}/" not in text) == []


def recipe_rows() -> list[str]:
    rows = []
    for prefix, model in (
        ("", Recipe),
        ("preprocessing.", Preprocessing),
        ("codebook.", CodebookWish),
        ("weight_format.", WeightFormats),
        ("engine.", EngineWish),
        ("placement.", PlacementWish),
        ("finetune.", FineTuneWish),
        ("floors.", Floors),
    ):
        for name, field in model.model_fields.items():
            if name in ("floors", "codebook", "preprocessing", "finetune", "weight_format", "placement", "engine"):
                continue
            plain = "speed" if name == "prefer" else field.default  # tests have another default (tests/conftest.py)
            value = list(plain) if isinstance(plain, tuple) else plain
            default = "none" if value is None else json.dumps(value)
            rows.append(f"| `{prefix}{name}` | `{default}` | {field.description} |")
    return rows


def test_recipe_keys_and_defaults_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = text.partition("## Keys")[2].partition("\n## ")[0]
    assert [line for line in table.splitlines() if line.startswith("| `")] == recipe_rows()


def test_range_rules_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    table = text.partition("## Range rules")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(RULES)


def test_shipped_targets_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8").partition("## Keys")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+)", text, re.MULTILINE))
    assert told == {name: load_target(name).activations.dtype for name in shipped_targets()}


def test_target_keys_are_those_of_the_code() -> None:
    from edgeq.schema.target import Target
    from edgeq.schema.target_facts import KernelFacts

    text = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text.partition("## Keys")[2]))
    assert {*KernelFacts.model_fields, *Target.model_fields} - words == set()
