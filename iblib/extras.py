"""Packages of an extra: a missing one is an ImportError that says how to install it."""

from contextlib import contextmanager


@contextmanager
def extra(name: str):
    """Around imports, or a function that imports, what the extra ``name`` brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f'{error.name} is missing: pip install "iblib[{name}]"') from error
