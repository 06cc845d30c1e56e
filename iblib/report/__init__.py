"""The report: every notebook executed, its HTML, the README table."""


class ReportError(RuntimeError):
    """A report that could not be made; the message names the notebook and the cell."""
