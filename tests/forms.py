"""Campaigns run in a short form; IBLIB_LONG=1 asks for the long one."""

import os
from typing import TypeVar

import pytest

LONG = os.environ.get("IBLIB_LONG") == "1"
T = TypeVar("T")

only_long = pytest.mark.skipif(not LONG, reason="a long form: set IBLIB_LONG=1")


def long_form(short: T, long: T) -> T:
    """What is used in this session: a count, or a list of cases."""
    return long if LONG else short
