"""For all of pytest, the notebooks under nbval included (tests/conftest.py is for tests/ only)."""

import os

# Inherited by the notebooks' kernels: no live widgets in stored outputs.
os.environ["IBLIB_STATIC"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported anywhere

OUTPUT_SECONDS = 120


def pytest_collection_modifyitems(items):
    """Give a cell's outputs more than nbval's five seconds to arrive."""
    for item in items:
        if type(item).__name__ == "IPyNbCell":
            item.output_timeout = OUTPUT_SECONDS
