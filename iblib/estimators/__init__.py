"""Mutual information of arrays, in bits, each with its error or with a warning.

Nothing here knows a network, a file or a plot. ``t`` is always an ``(P, d)`` real array or tensor
(NumPy or torch, any device), ``y`` holds ``P`` labels.
"""

from iblib.estimators import binning, closed_forms, kde, kraskov
from iblib.estimators.binning import label_entropy
from iblib.estimators.combined import Measurement, measure
from iblib.estimators.exact import exact_information, mixture_information, quantise
from iblib.estimators.significance import bootstrap_interval, permutation_test

__all__ = [
    "Measurement",
    "binning",
    "bootstrap_interval",
    "closed_forms",
    "exact_information",
    "kde",
    "kraskov",
    "label_entropy",
    "measure",
    "mixture_information",
    "permutation_test",
    "quantise",
]
