"""MiniResNet: a convolution, max pooling, two residual layers, pooling, linear."""

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from iblib.models.layers import ACTIVATIONS, CNN_ACTIVATIONS, initialise, picture_options


class ResidualBlock(nn.Module):
    """``activation(BN(conv(activation(BN(conv(x))))) + shortcut(x))``, 3x3 convolutions.

    The shortcut is a 1x1 convolution with batch norm where the shape changes, else the identity.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.activation1 = ACTIVATIONS[activation]()
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.activation2 = ACTIVATIONS[activation]()
        self.shortcut = nn.Identity()
        if stride != 1 or n_in != n_out:
            fit = nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(fit, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, n_out, height / stride, width / stride)."""
        y = self.activation1(self.bn1(self.conv1(x)))
        return self.activation2(self.bn2(self.conv2(y)) + self.shortcut(x))


class MiniResNet(nn.Module):
    """Small residual network for spectrograms.

    ``Conv2d(7x7, stride 2) + BN + activation + MaxPool(3, stride 2)``; residual layers of
    ``blocks[i]`` blocks with ``filters[i]`` filters, the first block of each later layer with
    stride 2; AdaptiveAvgPool2d(1); Linear. The defaults have 20 280 parameters.
    """

    activations = CNN_ACTIVATIONS
    options_for = staticmethod(picture_options)

    def __init__(
        self,
        activation: str = "relu",
        filters: Sequence[int] = (16, 32),
        blocks: Sequence[int] = (1, 1),
        *,
        n_classes: int = 8,
        in_channels: int = 1,
        generator: Generator | None = None,
    ):
        super().__init__()
        if len(filters) != len(blocks) or not filters or min(*filters, *blocks) < 1:
            got = f"{filters}, {blocks}"
            raise ValueError(f"filters and blocks must be positive and of equal length; got {got}")
        self.conv = nn.Conv2d(in_channels, filters[0], 7, stride=2, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(filters[0])
        self.activation = ACTIVATIONS[activation]()
        self.max_pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layers = nn.ModuleList()
        n_in = filters[0]
        for i, (n_out, n_blocks) in enumerate(zip(filters, blocks, strict=True)):
            first = ResidualBlock(n_in, n_out, 1 if i == 0 else 2, activation)
            more = [ResidualBlock(n_out, n_out, 1, activation) for _ in range(n_blocks - 1)]
            self.layers.append(nn.ModuleList([first, *more]))
            n_in = n_out
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(filters[-1], n_classes)
        initialise(self, activation, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of inputs, shape (batch, in_channels, mels, frames)."""
        x = self.max_pool(self.activation(self.bn(self.conv(x))))  # (batch, filters[0], /4, /4)
        for layer in self.layers:
            for block in layer:
                x = block(x)
        return self.linear(self.pool(x).flatten(1))

    def measured_layers(self) -> dict[str, str]:
        """Layer name -> module whose output is measured.

        ``conv`` and each residual block are measured after their last activation: they are the
        inputs of the poolings, whose outputs are ``after_max_pool`` and ``after_pool``.
        """
        blocks = {
            f"res{i + 1}_block{j + 1}": f"layers.{i}.{j}.activation2"
            for i, layer in enumerate(self.layers)
            for j in range(len(layer))
        }
        ends = {"after_pool": "pool", "output": "linear"}
        return {"conv": "activation", "after_max_pool": "max_pool", **blocks, **ends}
