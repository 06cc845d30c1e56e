"""Alternative texts: every picture of a notebook says what it is and what was found."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from study.pages.markdown import first_sentence, plain_text

LONGEST = 250  # characters
PNG = "image/png"

_SAVED = re.compile(r"""save_figure\(\s*\w+\s*,\s*["'](\d\d-[\w-]+)["']""")
_PLAYER = re.compile(r'class="ib-player"[^>]*?aria-label="([^"]*)"')
_PLAYER_PICTURE = re.compile(r'(class="ib-player".*?<img )alt="[^"]*"', re.S)
_TEXTS = re.compile(
    r"""
    ^\*\*Reading[.:]?\*\*[.:]? \s* (?P<finding> .+? ) (?= \n\s*\n | \Z )
    | ^\#{1,6} \s+ (?: \d+ \s* [.·] \s* )? (?P<heading> [^\n]+ )
    """,
    re.M | re.S | re.X,
)
_SPELLED = {"relu": "ReLU", "cnn": "CNN", "resnet": "ResNet", "kde": "KDE", "sgd": "SGD"}
_SPELLED |= {"knn": "kNN", "tanh": "tanh"}


@dataclass(frozen=True)
class Picture:
    """A picture that a code cell shows."""

    name: str  # of its files, such as 06-planes; empty where none are saved
    title: str
    output: NotebookNode
    is_player: bool = False


@dataclass(frozen=True)
class _Text:
    """A heading or the finding of a Reading."""

    kind: str
    text: str


def pictures(notebook: NotebookNode) -> list[Picture]:
    """Pictures of a notebook, in order."""
    return [item for item in _items(notebook) if isinstance(item, Picture)]


def describe_pictures(notebook: NotebookNode) -> None:
    """Write an alternative text into the metadata of every picture of an executed notebook.

    It is the figure's name in words and the first sentence of the Reading that follows in the
    same section, or that section's heading where there is none. A player stands after the
    Reading of the figure that it moves, and takes that one.
    """
    items = list(_items(notebook))
    for place, item in enumerate(items):
        if isinstance(item, Picture):
            found = _found(items[:place], items[place + 1 :], item.is_player)
            about = item.output.setdefault("metadata", nbformat.from_dict({}))
            about.setdefault(PNG, nbformat.from_dict({}))["alt"] = _shortened(item.title, found)


def alt_of(output: NotebookNode) -> str:
    """Alternative text of a picture's output, empty where none was written."""
    return output.get("metadata", {}).get(PNG, {}).get("alt", "")


def describe_player(page: str, alt: str) -> str:
    """A player's HTML whose picture says what was found; moving it changes ``alt`` only."""
    said = html.escape(alt, quote=True)
    return _PLAYER_PICTURE.sub(
        lambda found: f'{found[1]}alt="{said}" aria-description="{said}"', page, count=1
    )


def in_words(name: str) -> str:
    """``06-planes-relu`` as ``Planes ReLU``."""
    text = " ".join(_SPELLED.get(word, word) for word in name.split("-")[1:])
    text = text.replace("simple CNN", "SimpleCNN").replace("mini ResNet", "MiniResNet")
    return text if text.startswith(tuple(_SPELLED.values())) else text[:1].upper() + text[1:]


def _items(notebook: NotebookNode) -> Iterator[Picture | _Text]:
    """Pictures, headings and findings in the order of reading."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from _texts(cell.source)
        elif cell.cell_type == "code":
            yield from _shown(cell)


def _shown(cell: NotebookNode) -> Iterator[Picture | _Text]:
    names = iter(_SAVED.findall(cell.source))
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if PNG in data:
            player = _PLAYER.search(data.get("text/html", ""))
            name = "" if player else next(names, "")
            title = html.unescape(player[1]) if player else in_words(name) or "Figure"
            yield Picture(name, title, output, bool(player))
        elif "text/markdown" in data:
            yield from _texts(data["text/markdown"])


def _texts(markdown: str) -> Iterator[_Text]:
    for text in _TEXTS.finditer(markdown):
        yield _Text(text.lastgroup, plain_text(text[text.lastgroup]))


def _found(before: list, after: list, look_back: bool) -> str:
    """Finding or heading that belongs to the picture between these items."""
    for text in _only_texts(after):
        if text.kind == "heading":
            break
        return first_sentence(text.text)
    for text in _only_texts(reversed(before)):
        if text.kind == "heading" or look_back:
            return first_sentence(text.text) if text.kind == "finding" else text.text
    return ""


def _only_texts(items) -> Iterator[_Text]:
    return (item for item in items if isinstance(item, _Text))


def _shortened(title: str, found: str) -> str:
    text = f"{title}: {found}" if found else title
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(" ,;:(") + "…"
