"""The information plane: runs x epochs x layers x views x estimators -> one tidy table, in bits."""

from iblib.information_plane.model import measure_model
from iblib.information_plane.runs import about_run, measure_run, stored_table, thin
from iblib.information_plane.tables import COLUMNS, read_table, write_table

__all__ = [
    "COLUMNS",
    "about_run",
    "measure_model",
    "measure_run",
    "read_table",
    "stored_table",
    "thin",
    "write_table",
]
