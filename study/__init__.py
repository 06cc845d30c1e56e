"""The report: what it computes, draws and writes. Not part of the library, and not in its wheel."""


class ReportError(RuntimeError):
    """A report that could not be made; the message names the notebook and the cell."""
