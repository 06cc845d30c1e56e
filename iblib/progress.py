"""Progress bars: in terminals and in Jupyter, nowhere else, and never with ``IBLIB_STATIC=1``."""

import os
import sys
from typing import Any

from tqdm.auto import tqdm


def bar(items: Any, title: str, *, shown: bool = True, **options) -> tqdm:
    """``items``, or None, with tqdm's bar; it goes when they end."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    hidden = not shown or os.environ.get("IBLIB_STATIC") == "1"
    # None: only on a terminal, which a kernel's stderr is not
    elsewhere = None if getattr(shell, "kernel", None) is None else False
    return tqdm(items, title, **{"leave": False, "disable": hidden or elsewhere} | options)
