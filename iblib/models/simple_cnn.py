"""SimpleCNN: four blocks of convolution, activation and batch norm, average pooling, linear."""

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from iblib.models.layers import ACTIVATIONS, CNN_ACTIVATIONS, initialise, picture_options


class SimpleCNN(nn.Module):
    """Convolutional classifier of spectrograms.

    Blocks of ``Conv2d, activation, BatchNorm2d``: the first has an 8x8 kernel (stride 4,
    padding 2), the others 3x3 (stride 2, padding 1). Then AdaptiveAvgPool2d(1) and Linear.
    ``filters`` of each block: 4, 8, 16, 32 and 8 classes give 6748 parameters, 4, 8, 8, 16 give
    2516.
    """

    activations = CNN_ACTIVATIONS
    options_for = staticmethod(picture_options)

    def __init__(
        self,
        activation: str = "relu",
        filters: Sequence[int] = (4, 8, 16, 32),
        *,
        n_classes: int = 8,
        in_channels: int = 1,
        generator: Generator | None = None,
    ):
        super().__init__()
        if not filters or min(filters) < 1:
            raise ValueError(f"filters must hold positive numbers; got {filters}")
        self.blocks = nn.ModuleList()
        for i, (n_in, n_out) in enumerate(zip((in_channels, *filters[:-1]), filters, strict=True)):
            kernel, stride, padding = (8, 4, 2) if i == 0 else (3, 2, 1)
            convolution = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=padding)
            block = nn.Sequential(convolution, ACTIVATIONS[activation](), nn.BatchNorm2d(n_out))
            self.blocks.append(block)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(filters[-1], n_classes)
        initialise(self, activation, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, n_classes), of inputs, shape (batch, in_channels, mels, frames)."""
        for block in self.blocks:
            x = block(x)  # (batch, filters, height / stride, width / stride)
        return self.linear(self.pool(x).flatten(1))

    def measured_layers(self) -> dict[str, str]:
        """Layer name -> module whose output is measured.

        ``block<i>`` is the tensor after the nonlinearity, before its batch norm; ``before_pool`` is
        the pooling's input.
        """
        layers = {f"block{i + 1}": f"blocks.{i}.1" for i in range(len(self.blocks))}
        last = f"blocks.{len(self.blocks) - 1}.2"
        return {**layers, "before_pool": last, "after_pool": "pool", "output": "linear"}
