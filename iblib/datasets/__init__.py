"""Data to arrays, labels, splits and provenance: five data sets, and yours, behind one call."""

import inspect
from collections.abc import Callable
from typing import Any

from iblib.datasets import audio_folder, binary_patterns, fma, linear_teacher, synthetic
from iblib.datasets.base import SPLITS, DataError, Dataset
from iblib.extras import extra

__all__ = ["AUDIO", "DATASETS", "SPLITS", "DataError", "Dataset", "fingerprint", "load", "options"]

# Every data set by name, yours too: a function of its own options (CONTRIBUTING.md).
DATASETS: dict[str, Callable[..., Dataset]] = {
    "synthetic": extra("audio")(synthetic.load),
    "fma_small": extra("audio")(fma.load),
    "folder": extra("audio")(audio_folder.load),
    "binary_patterns": binary_patterns.load,
    "linear_teacher": linear_teacher.load,
}

# Those of audio, which a report can be made of: functions of the same options, with every default
# filled in, that give ``fingerprint`` without decoding anything.
AUDIO: dict[str, Callable[..., str]] = {
    "synthetic": synthetic.fingerprint,
    "fma_small": fma.fingerprint,
    "folder": audio_folder.fingerprint,
}


def load(name: str, **settings) -> Dataset:
    """Data set by name, with options of its own; ``options(name)`` lists them.

    DataError, one line that names the cure, if the name or an option is unknown, or the data cannot
    be used.
    """
    bound = _bound(name, settings)
    return DATASETS[name](*bound.args, **bound.kwargs)


def options(name: str) -> dict[str, Any]:
    """Options of a data set with their defaults, such as ``options("folder")["clip_seconds"]``."""
    return {p.name: p.default for p in _signature(name).parameters.values()}


def fingerprint(name: str, **settings) -> str:
    """Hash of what decides a data set, found without decoding audio: for keys of results.

    Of ``synthetic`` it follows from the settings. Of other audio it is made of what decides which
    clips are used, and how: settings, labels, and name, size and modification time of every file.
    So it changes with any file that comes, goes or is written anew, and never with the path of the
    folder. Of all else it is the fingerprint of the loaded data. ``Dataset.fingerprint`` of audio
    is stricter (bytes of what could be used). DataError as of ``load``.
    """
    if name not in AUDIO:
        return load(name, **settings).fingerprint
    bound = _bound(name, settings)
    bound.apply_defaults()
    return AUDIO[name](**bound.arguments)


def _signature(name: str) -> inspect.Signature:
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(DATASETS)}")
    return inspect.signature(DATASETS[name])


def _bound(name: str, settings: dict[str, Any]) -> inspect.BoundArguments:
    try:
        return _signature(name).bind(**settings)
    except TypeError as error:
        raise DataError(f"{name}: {error}; its options are {', '.join(options(name))}") from error
