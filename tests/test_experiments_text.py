"""Words around the report's numbers."""

import pytest

from study.text import counted


@pytest.mark.parametrize(("n", "text"), [(0, "0 seeds"), (1, "1 seed"), (3, "3 seeds")])
def test_counted_says_one_seed_or_many(n, text):
    assert counted(n, "seed") == text
