"""Links of README, CONTRIBUTING, CHANGELOG, docs, API pages and the workflow lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import iblib

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        n = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found)
        found.add(f"{slug}-{n}" if n else slug)
    return found


def fault(page: Path, target: str) -> str:
    """What is wrong with a link of a page; empty where nothing is."""
    parts = urlsplit(target)
    if parts.scheme:
        whole = parts.scheme == "https" and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
        return "" if whole and not re.search(r"\s", target) else "no address"
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not file.exists() or not file.is_relative_to(ROOT):
        return "no such file here"
    if parts.fragment and file.suffix == ".md" and parts.fragment not in anchors(file):
        return "no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(\s*<?([^)>]+?)>?\s*\)", text) + re.findall(r"^\[.+?\]: +(\S+)", text)
    assert {target: said for target in targets if (said := fault(page, target))} == {}


@pytest.mark.parametrize(
    "target",
    ["gone.md", "../outside", "install.md#no-such-heading", "#gone", "http:/x", "https://host/"],
)
def test_a_link_to_nowhere_is_found(target):
    assert fault(ROOT / "docs" / "troubleshooting.md", target)


def test_every_page_of_docs_is_linked_from_another():
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    for page in ROOT.glob("docs/*.md"):
        assert any(page.name in text for other, text in texts.items() if other != page), page.name


def test_the_workflow_calls_what_there_is():
    text = (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
    commands = re.sub(r"#.*", "", text)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    made = set(re.findall(r"\bmake (\w+)", commands))
    assert made == {"check", "docs", "report"}
    assert made <= targets
    tests = re.findall(r"tests/\S+", commands)
    assert tests
    assert [name for name in tests if not list(ROOT.glob(name))] == []


def test_api_pages_are_made_without_a_warning_and_hold_together(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "docs" / "api.py", tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "iblib.html").read_text(encoding="utf-8")
    assert [name for name in iblib.__all__ if f'id="{name}"' not in first] == []
    for page in tmp_path.rglob("*.html"):
        text = re.sub(r"<script>.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.S)
        assert re.findall(r'\bsrc="https?:', text) == []
        links = {link.partition("#")[0] for link in re.findall(r'href="([^"]+)"', text)}
        inside = [link for link in links if link and not urlsplit(link).scheme]
        assert [link for link in inside if not (page.parent / link).is_file()] == [], page
