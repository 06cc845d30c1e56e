"""The Python blocks of a Markdown document: they run, and print what the text says of them."""

import contextlib
import io
import re

_BLOCK = re.compile(
    r"```python\n(.*?)```\n(?:\nprints (?:`([^`]+)`|[^`]*\n```text\n(.*?)\n```))?", re.S
)


def run_blocks(text: str, *, last_line: bool = False) -> int:
    """Execute the blocks of a text in one namespace; how many there were.

    With ``last_line`` a block may call programs that print, too: its own word is the last.
    """
    namespace, found = {"__name__": "document"}, _BLOCK.findall(text)
    for code, line, lines in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "document", "exec"), namespace)
        told = re.sub(" +$", "", printed.getvalue().strip(), flags=re.M)
        assert (told.rpartition("\n")[2] if last_line else told) == (line or lines)
    assert len(found) == text.count("```python")
    return len(found)
