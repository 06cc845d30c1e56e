"""What of a run has been measured so far."""

import io
import json
import logging
import time
from pathlib import Path

import pandas as pd

from iblib import files
from iblib.information_plane.tables import COLUMNS, write_table

log = logging.getLogger(__name__)

# A killed measurement loses at most this, and the epoch it was in.
SAVE_SECONDS = 20.0


class Measured:
    """The epochs measured so far, stored now and then, so that a killed measurement goes on.

    Kept as the lines of the final table: one that was resumed is byte-equal to one that was not.
    """

    def __init__(self, path: Path):
        self.path, self.saved_at = path, time.monotonic()
        self.lines: dict[str, str] = {}  # epoch -> its lines
        self.ranges: list | None = None
        if path.is_file():
            try:
                stored = json.loads(files.read_sealed(path))
                lines, ranges = dict(stored["lines"]), stored["ranges"]
                if not all(isinstance(text, str) for text in lines.values()):
                    raise TypeError("it holds no lines of a table")
                self.lines, self.ranges = lines, ranges and [list(one) for one in ranges]
            except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
                log.warning("cannot resume measuring from %s (%s); starting anew", path, error)

    def add(self, epoch: int, rows: list[dict]) -> None:
        """Take over the rows of one more epoch."""
        buffer = io.StringIO()
        write_table(pd.DataFrame(rows, columns=COLUMNS), buffer)
        self.lines[str(epoch)] = buffer.getvalue().partition("\n")[2]
        self.save_now_and_then()

    def save_now_and_then(self) -> None:
        """Store what there is, if the last time was long enough ago."""
        if time.monotonic() - self.saved_at < SAVE_SECONDS:
            return
        content = json.dumps({"lines": self.lines, "ranges": self.ranges}).encode()
        files.write_sealed(self.path, lambda handle: handle.write(content))
        self.saved_at = time.monotonic()

    def as_csv(self) -> str:
        """The table of all epochs, as ``write_table`` would write it."""
        return ",".join(COLUMNS) + "\n" + "".join(self.lines.values())

    def clear(self) -> None:
        """Forget it: the table is finished."""
        self.path.unlink(missing_ok=True)
