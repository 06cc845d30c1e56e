"""How a file of results/ is written: a table, arrays, or bytes as they are."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from iblib import files
from iblib.information_plane import write_table


def write_result(path: Path, value: pd.DataFrame | Mapping[str, np.ndarray] | bytes) -> None:
    """Write a result, whole; equal values are equal bytes."""
    with files.replacing(path) as temporary:
        if isinstance(value, pd.DataFrame):
            write_table(value, temporary)
        elif isinstance(value, bytes):
            temporary.write_bytes(value)
        else:
            _write_arrays(temporary, value)


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """A zip of npy members with a fixed date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue())
