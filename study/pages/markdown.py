"""Markdown of notebooks: formulas to MathML, headings read, and text as plain words."""

import html
import logging
import re
from dataclasses import dataclass

from math_core import LatexError, LatexToMathML
from nbconvert.filters import markdown2html
from nbformat import NotebookNode

log = logging.getLogger(__name__)

# Code and escaped dollars are matched first, so that no tag and no formula is seen inside them.
_PIECES = re.compile(
    r"""
    (?P<fence>```+|~~~+) .*? (?P=fence)
    | (?P<tick>`+) .+? (?P=tick)
    | \\\$
    | (?P<tag> <(?=[A-Za-z/!?])(?!https?:|mailto:) )
    | \$\$ (?P<display> .+? ) \$\$
    | (?P<block> \\begin\{(?P<name> (?:align|equation|gather)\*?)\} .+? \\end\{(?P=name)\} )
    | \$ (?P<inline> (?!\s) (?: (?!\n\s*\n) [^$] )+? (?<![\s\\]) ) \$ (?!\d)
    """,
    re.S | re.X,
)
# Formulas travel through Markdown as a number between two private characters.
_MARK = re.compile("\ue000(\\d+)\ue001")
_TAG_WITH_MARK = re.compile("<[^<>]*\ue000[^<>]*>")
# Links lead to pages; a name of a class or a file may hold one that would run.
_LINK = re.compile(r"""(<a\b[^>]*?\bhref=)(["'])(.*?)\2""", re.S | re.I)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
_PAGE = re.compile(r"https?:|mailto:", re.I)


class Formulas:
    """TeX formulas taken out of Markdown, and put back as MathML into the HTML made of it."""

    def __init__(self):
        self.converter = LatexToMathML()
        self.found: list[str] = []

    def take_out(self, markdown: str) -> str:
        """Markdown with a mark in place of each formula, which Markdown cannot misread.

        HTML becomes text: names of classes and files may hold it, and no notebook needs it.
        """
        return _PIECES.sub(self._mark, markdown)

    def put_back(self, page: str) -> str:
        """HTML with MathML in place of the marks; marks inside tags (anchors) are dropped.

        Links to anything but pages lead nowhere.
        """
        page = _LINK.sub(_harmless, page)
        page = _TAG_WITH_MARK.sub(lambda tag: _MARK.sub("", tag[0]), page)
        return _MARK.sub(lambda mark: self.found[int(mark[1])], page)

    def _mark(self, piece: re.Match) -> str:
        if piece["tag"]:
            return "&lt;"
        tex = piece["display"] or piece["block"] or piece["inline"]
        if not tex:
            return piece[0]
        self.found.append(self.mathml(tex.strip(), display=not piece["inline"]))
        return f"\ue000{len(self.found) - 1}\ue001"

    def inline(self, markdown: str) -> str:
        """One paragraph of Markdown as HTML without the paragraph around it; marks stay."""
        page = markdown2html(self.take_out(markdown)).strip()
        return page.removeprefix("<p>").removesuffix("</p>")

    def mathml(self, tex: str, *, display: bool) -> str:
        """One formula; what cannot be converted stays readable as TeX."""
        try:
            formula = self.converter.convert_with_local_state(tex, displaystyle=display)
        except LatexError as error:
            log.warning("formula %r cannot be converted: %s", tex, error)
            return f"<code>{html.escape(tex)}</code>"
        return f'<span class="ib-formula">{formula}</span>' if display else formula


def _harmless(link: re.Match) -> str:
    target = re.sub(r"[\x00-\x20]", "", html.unescape(link[3]))
    leads_on = _SCHEME.match(target) and not _PAGE.match(target)
    return f"{link[1]}{link[2]}#{link[2]}" if leads_on else link[0]


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


_COMMANDS = {
    "Delta": "Δ", "beta": "β", "sigma": "σ", "varepsilon": "ε", "epsilon": "ε", "log": "log",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "times": "×", "cdot": "·", "infty": "∞",
    "approx": "≈", "sum": "Σ", "mid": "|", "to": "→", "text": "", "mathrm": "", "left": "",
    "right": "", ",": " ", ";": " ", " ": " ",
}  # fmt: skip


def plain_text(markdown: str) -> str:
    """Markdown without its marks, for attributes: links by their names, formulas in words."""
    text = _PIECES.sub(_in_words, markdown)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`+|\*\*|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])", "", text)
    return " ".join(re.sub(r"\\([$*_`|])", r"\1", text).split())


def _in_words(piece: re.Match) -> str:
    tex = piece["display"] or piece["block"] or piece["inline"]
    if not tex:
        return piece[0]
    tex = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", tex)
    tex = re.sub(r"\\([A-Za-z]+|.)", lambda name: _COMMANDS.get(name[1], name[1]), tex)
    return re.sub(r"[{}_]", "", tex)


def first_sentence(text: str) -> str:
    """The first sentence of plain text."""
    end = r"(?<!\bal)(?<!\bvs)(?<!e\.g)(?<!i\.e)[.!?](?=\s|$)"
    found = re.search(end, text)
    return text[: found.end()] if found else text
