"""The report as HTML that needs no network."""
