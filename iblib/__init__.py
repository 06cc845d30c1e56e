"""iblib: measure I(X;T) and I(T;Y) of neural networks, and replicate the debate about them.

``import iblib`` loads nothing heavy; the names below load their room when they are first used.
"""

from importlib import import_module

__version__ = "0.1.0"

_ROOM_OF = {
    "Checkpoints": "iblib.training",
    "measure": "iblib.estimators",
    "measure_model": "iblib.information_plane",
}

__all__ = ["Checkpoints", "__version__", "measure", "measure_model"]


def __getattr__(name: str):
    if name in _ROOM_OF:
        return getattr(import_module(_ROOM_OF[name]), name)
    raise AttributeError(f"module 'iblib' has no attribute {name!r}")
