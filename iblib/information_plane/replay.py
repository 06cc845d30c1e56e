"""Recorded activations as views, epoch by epoch, with a cache for a second look at an epoch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from iblib.config import MeasureConfig
from iblib.views import View, views_of

HELD_BYTES = 2**29  # of activations, between the two looks


@dataclass
class Replay:
    """Views of the activations of one epoch after the other.

    Bins over a run need every epoch twice: first for the extremes, then for the measurement. The
    epochs that fit into ``HELD_BYTES`` are kept meanwhile. Principal components of all epochs are
    kept: they are small, and slow to compute. ``recorded(epoch)`` gives (member, layer, its
    activations), one layer of them in memory at a time.
    """

    recorded: Callable[[int], Iterable[tuple[int, str, np.ndarray]]]
    config: MeasureConfig
    components: dict[tuple[int, int, str], list[View]] = field(default_factory=dict)
    held: dict[int, list[tuple[int, str, np.ndarray]]] = field(default_factory=dict)
    room: int = field(default_factory=lambda: HELD_BYTES)

    def layers(self, epoch: int) -> Iterator[tuple[int, str, list[View]]]:
        """(member, layer, its views) of one epoch, one layer after the other."""
        for member, layer, t in self.held.pop(epoch, None) or self.recorded(epoch):
            yield member, layer, self._views((epoch, member, layer), t)

    def layers_to_return_to(self, epoch: int) -> Iterator[tuple[int, str, list[View]]]:
        """``layers`` of an epoch that will be asked for once more."""
        seen = []
        for member, layer, t in self.recorded(epoch):
            self.room -= t.nbytes
            if self.room >= 0:
                seen.append((member, layer, t))
            else:
                seen.clear()
            yield member, layer, self._views((epoch, member, layer), t)
        if self.room >= 0:
            self.held[epoch] = seen

    def _views(self, key: tuple[int, int, str], t: np.ndarray) -> list[View]:
        """Views of one layer; its principal components are found once."""
        views: list[View] = []
        for name in self.config.views:
            kept = self.components if name == "pca" else {}
            if key not in kept:
                kept[key] = list(views_of(t, (name,), n_components=self.config.n_components))
            views += kept[key]
        return views
