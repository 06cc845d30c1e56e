"""Mutual information of arrays, in bits: binning, KDE bounds, Kraskov entropy, closed forms.

Nothing here knows a network, a file or a plot. ``t`` is always an ``(P, d)`` real array or tensor
(NumPy or torch, any device), ``y`` holds ``P`` labels.
"""

from iblib.estimators import binning, closed_forms, kde, kraskov
from iblib.estimators.binning import label_entropy
from iblib.estimators.combined import Measurement, measure

__all__ = [
    "Measurement",
    "binning",
    "closed_forms",
    "kde",
    "kraskov",
    "label_entropy",
    "measure",
]
