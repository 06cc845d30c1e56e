"""The API pages: the public modules of iblib by pdoc, into the folder given; `make docs`."""

import sys
from pathlib import Path

import pdoc

import iblib

ROOMS = (
    "estimators", "information_plane", "training", "activations", "views", "config", "summaries",
    "plotting", "models", "datasets", "sweep",
)  # fmt: skip

vars(iblib).update({name: getattr(iblib, name) for name in iblib.__all__})  # pdoc takes no lazy one
pdoc.render.configure(docformat="numpy")
pdoc.pdoc("iblib", *(f"iblib.{room}" for room in ROOMS), output_directory=Path(sys.argv[1]))
