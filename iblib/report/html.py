"""HTML that needs no network: formulas as MathML, figures inline, one index page."""

import html
import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import nbformat
from math_core import LatexError, LatexToMathML
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from iblib import files

log = logging.getLogger(__name__)

# Code and escaped dollars are matched first, so that no formula is seen inside them.
_PIECES = re.compile(
    r"""
    (?P<fence>```+|~~~+) .*? (?P=fence)
    | (?P<tick>`+) .+? (?P=tick)
    | \\\$
    | \$\$ (?P<display> .+? ) \$\$
    | (?P<block> \\begin\{(?P<name> (?:align|equation|gather)\*?)\} .+? \\end\{(?P=name)\} )
    | \$ (?P<inline> (?!\s) (?: (?!\n\s*\n) [^$] )+? (?<![\s\\]) ) \$ (?!\d)
    """,
    re.S | re.X,
)
# Formulas travel through Markdown as a number between two private characters.
_MARK = re.compile("\ue000(\\d+)\ue001")
_TAG_WITH_MARK = re.compile("<[^<>]*\ue000[^<>]*>")


class Formulas:
    """TeX formulas taken out of Markdown, and put back as MathML into the HTML made of it."""

    def __init__(self):
        self.converter = LatexToMathML()
        self.found: list[str] = []

    def take_out(self, markdown: str) -> str:
        """Markdown with a mark in place of each formula, which Markdown cannot misread."""
        return _PIECES.sub(self._mark, markdown)

    def put_back(self, page: str) -> str:
        """HTML with MathML in place of the marks; marks inside tags (anchors) are dropped."""
        page = _TAG_WITH_MARK.sub(lambda tag: _MARK.sub("", tag[0]), page)
        return _MARK.sub(lambda mark: self.found[int(mark[1])], page)

    def _mark(self, piece: re.Match) -> str:
        tex = piece["display"] or piece["block"] or piece["inline"]
        if not tex:
            return piece[0]
        self.found.append(self.mathml(tex.strip(), display=not piece["inline"]))
        return f"\ue000{len(self.found) - 1}\ue001"

    def mathml(self, tex: str, *, display: bool) -> str:
        """One formula; what cannot be converted stays readable as TeX."""
        try:
            return self.converter.convert_with_local_state(tex, displaystyle=display)
        except LatexError as error:
            log.warning("formula %r cannot be converted: %s", tex, error)
            return f"<code>{html.escape(tex)}</code>"


@dataclass(frozen=True)
class Heading:
    """What a notebook's first cell says about it, in Markdown."""

    name: str
    title: str
    question: str = ""
    answer: str = ""
    minutes: str = ""


def heading(name: str, notebook: NotebookNode) -> Heading:
    """Title, question, answer and minutes, read from the text cells before the first code cell."""
    text = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            break
        text += cell.source + "\n\n"
    title = re.search(r"^#\s+(.+)$", text, re.M)
    return Heading(
        name,
        title[1].strip() if title else name,
        _labelled(text, "Question"),
        _labelled(text, "Answer"),
        _labelled(text, "Minutes") or _labelled(text, "Time"),
    )


def _labelled(text: str, label: str) -> str:
    """The paragraph or list item that begins with a bold label, without it."""
    start = rf"^[-*>\s]*\*\*{label}\b[^*\n]*\*\*[\s:.\u2014-]*"
    end = r"(?=\n\s*\n|\n[-*>\s]*\*\*\w|\n[-*]\s|\Z)"
    found = re.search(rf"{start}(.+?){end}", text, re.M | re.S | re.I)
    return " ".join(found[1].split()) if found else ""


def write_html(notebooks: Path, target: Path) -> Path:
    """Page of every notebook in a folder, and the index; returns the index page.

    Parameters
    ----------
    notebooks : Path
        Folder of executed notebooks ``NN-slug.ipynb``.
    target : Path
        Folder of the pages; they open from disk, without a network.
    """
    headings = []
    for path in sorted(notebooks.glob("[0-9][0-9]-*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        headings.append(heading(path.stem, notebook))
        page = render_notebook(notebook, headings[-1], notebooks, target)
        files.write_atomic(target / f"{path.stem}.html", page)
    index = target / "index.html"
    files.write_atomic(index, render_index(headings))
    return index


def render_notebook(notebook: NotebookNode, about: Heading, folder: Path, target: Path) -> str:
    """One page: links lead to other pages, and from ``target`` to the notebook's own files."""
    formulas = Formulas()
    exporter = HTMLExporter(
        template_name="lab",
        extra_template_basedirs=[],
        extra_template_paths=[str(Path(__file__).parent)],
        template_file="template.html.j2",
        embed_images=True,
        anchor_link_text="",
    )
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas.take_out(_relink(cell.source, folder, target))
        for output in cell.get("outputs", []):
            _convert_output(output, formulas)
    notebook.metadata["title"] = formulas.put_back(_plain(about.title))
    resources = {"metadata": {"name": about.name, "path": str(folder)}}
    return formulas.put_back(exporter.from_notebook_node(notebook, resources)[0])


def render_index(headings: list[Heading]) -> str:
    """The page that lists every notebook with its question and answer; it holds no date."""
    formulas = Formulas()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    )
    rows = [
        replace(
            about,
            title=_inline(about.title, formulas),
            question=_inline(about.question, formulas),
            answer=_inline(about.answer, formulas),
            minutes=_inline(about.minutes, formulas),
        )
        for about in headings
    ]
    return formulas.put_back(environment.get_template("index.html.j2").render(rows=rows))


def _inline(markdown: str, formulas: Formulas) -> str:
    """One paragraph of Markdown as HTML without the paragraph around it."""
    page = markdown2html(formulas.take_out(markdown)).strip()
    return re.sub(r"\.ipynb(?=[\"#])", ".html", page.removeprefix("<p>").removesuffix("</p>"))


def _plain(title: str) -> str:
    return re.sub(r"[$`*\\]", "", title)


def _relink(markdown: str, folder: Path, target: Path) -> str:
    """Links to notebooks become links to pages; links out of the folder start from the page."""
    base = Path(os.path.relpath(folder.parent, target)).as_posix()
    markdown = re.sub(r"\]\((\d\d-[\w-]+)\.ipynb", r"](\1.html", markdown)
    return re.sub(r"(?<!\!)(\[[^\]]*\])\(\.\./", rf"\1({base}/", markdown)


def _convert_output(output: NotebookNode, formulas: Formulas) -> None:
    data = output.get("data", {})
    if "text/markdown" in data:
        data["text/markdown"] = formulas.take_out(data["text/markdown"])
    if "text/latex" in data and "text/html" not in data:
        data["text/html"] = formulas.take_out(data.pop("text/latex"))
