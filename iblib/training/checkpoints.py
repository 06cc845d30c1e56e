"""A callback for a training loop of one's own: weights kept at chosen epochs."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from iblib.training.members import on_cpu
from iblib.training.runs import epochs_in, load_tensors, save_tensors, weights_path


class Checkpoints(Mapping[int, dict[str, Tensor]]):
    """Weights of a network at chosen epochs: call it at the end of each, then measure them.

    Weights are small and activations are not, and any estimator can be applied to them later.

    >>> checkpoints = Checkpoints(nn.Linear(2, 1), at=[0, 2])
    >>> for epoch in range(4):
    ...     checkpoints(epoch)  # after the epoch's updates; 0 is the untrained network
    >>> list(checkpoints)
    [0, 2]

    Parameters
    ----------
    model : Module
        The network that is trained, on any device.
    at : collection of int, optional
        Epochs to keep, such as ``iblib.config.log_epochs(100, 20)``; all of them by default.
    folder : path, optional
        Keeps them on disk, each file whole and sealed, instead of in memory. What is there
        already belongs to it, so that an interrupted training can go on.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        at: Collection[int] | None = None,
        folder: str | Path | None = None,
    ):
        self.model, self.at = model, at
        self.folder = Path(folder) if folder is not None else None
        self._kept: dict[int, dict[str, Tensor]] = {}

    def __call__(self, epoch: int) -> None:
        """Keep the weights as they are now, if this epoch is one of those to keep."""
        if self.at is not None and epoch not in self.at:
            return
        state = on_cpu(self.model.state_dict())
        if self.folder is None:
            self._kept[epoch] = state
        else:
            save_tensors(weights_path(self.folder, epoch), state)

    def __getitem__(self, epoch: int) -> dict[str, Tensor]:
        if self.folder is None:
            return self._kept[epoch]
        path = weights_path(self.folder, epoch)
        if not path.is_file():
            raise KeyError(epoch)
        return load_tensors(path)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._kept) if self.folder is None else epochs_in(self.folder))

    def __len__(self) -> int:
        return sum(1 for _ in self)
