"""Networks: parameter counts, the layers they name, seeds, and legal names."""

import pytest
import torch

from iblib import models
from iblib.config import RunConfig
from iblib.information_plane import thin


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("simple_cnn", {}, 6748),
        ("simple_cnn", {"filters": (4, 8, 8, 16)}, 2516),
        ("mini_resnet", {}, 20280),
        ("mini_resnet", {"blocks": (3, 4)}, 85304),
        ("mlp", {}, 294),
        ("mlp", {"sizes": (100, 100, 1)}, 10201),
    ],
)
def test_parameter_counts(name, options, expected):
    assert models.count_parameters(models.build(name, "tanh", **options)) == expected


def test_parameter_count_of_mini_resnet_by_hand():
    """7x7 stem, one 16-filter block, one 32-filter block with 1x1 shortcut, 8 classes."""
    stem = 16 * 49 + 2 * 16
    block1 = 2 * (16 * 16 * 9 + 2 * 16)
    block2 = 16 * 32 * 9 + 2 * 32 + 32 * 32 * 9 + 2 * 32 + (16 * 32 + 2 * 32)
    assert stem + block1 + block2 + 32 * 8 + 8 == 20280


def test_simple_cnn_maps_on_the_original_spectrogram():
    shapes = models.summary(models.build("simple_cnn"), (1, 128, 1288)).set_index("layer")["shape"]
    assert shapes["block1"] == "4 x 32 x 322"
    assert shapes["block2"] == "8 x 16 x 161"
    assert shapes["block3"] == "16 x 8 x 81"
    assert shapes["block4"] == shapes["before_pool"] == "32 x 4 x 41"
    assert shapes["after_pool"] == "32 x 1 x 1"


@pytest.mark.parametrize("activation", models.CNN_ACTIVATIONS)
@pytest.mark.parametrize("name", ["simple_cnn", "mini_resnet"])
def test_measured_layers_are_what_they_are_called(name, activation):
    """Blocks end in the nonlinearity; the pooling pairs are the pooling's input and output."""
    network = models.build(name, activation).eval()
    outputs, inputs = {}, {}
    for path, module in network.named_modules():

        def keep(module, args, output, path=path):
            inputs[path], outputs[path] = args[0], output

        module.register_forward_hook(keep)
    with torch.no_grad():
        network(torch.randn(2, 1, 128, 64))
    layers = network.measured_layers()
    pairs = {"simple_cnn": [("before_pool", "after_pool")]}
    pairs["mini_resnet"] = [("conv", "after_max_pool"), ("res2_block1", "after_pool")]
    for before, after in pairs[name]:
        assert torch.equal(inputs[layers[after]], outputs[layers[before]])
    blocks = [k for k in layers if "block" in k] + ["conv"] * (name != "simple_cnn")
    for block in blocks:
        values = outputs[layers[block]]
        assert values.min() >= (0 if activation == "relu" else -1)


def test_residual_block_adds_its_input():
    network = models.build("mini_resnet", "tanh")
    block = network.layers[0][0].eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(3, 16, 8, 8)
    assert torch.allclose(block(x), torch.tanh(x), atol=1e-6)


def test_same_seed_same_weights_and_global_stream_untouched():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = models.build("mlp", "tanh", seed=3).state_dict()
    assert torch.equal(torch.rand(1), expected)
    same, other = (models.build("mlp", "tanh", seed=s).state_dict() for s in (3, 4))
    assert all(torch.equal(first[k], same[k]) for k in first)
    assert not torch.equal(first["linear.0.weight"], other["linear.0.weight"])


@pytest.mark.parametrize(("fan", "width"), [("out", 900), ("in", 400)])
def test_mlp_weights_are_a_truncated_normal(fan, width):
    network = models.build("mlp", "tanh", sizes=(400, 900, 2), fan=fan)
    weights = network.linear[0].weight * width**0.5
    assert weights.abs().max() <= 2
    # a standard normal cut at two deviations has deviation 0.8796
    assert weights.std().item() == pytest.approx(0.8796, rel=0.02)
    assert not network.linear[0].bias.any()


@pytest.mark.parametrize(
    ("name", "activation", "options", "words"),
    [
        ("lenet", "relu", {}, "model must be one of"),
        ("simple_cnn", "softplus", {}, "activation of simple_cnn must be one of"),
        ("mlp", "gelu", {}, "activation of mlp must be one of"),
        ("simple_cnn", "relu", {"depth": 3}, "options of simple_cnn are wrong"),
        ("simple_cnn", "relu", {"filters": ()}, "filters must hold positive numbers"),
        ("mini_resnet", "relu", {"blocks": (1,)}, "of equal length"),
        ("mlp", "relu", {"sizes": (12,)}, "at least two positive widths"),
        ("mlp", "relu", {"fan": "average"}, "fan must be"),
    ],
)
def test_unknown_names_are_value_errors(name, activation, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, activation, **options)


def test_summary_leaves_the_network_as_it_was():
    network = models.build("simple_cnn").train()
    models.summary(network, (1, 128, 64))
    assert network.training
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus"])
def test_many_networks_at_once_are_each_of_them(activation):
    networks = [models.build("mlp", activation, seed=s) for s in range(3)]
    stack = {
        name: torch.stack([network.state_dict()[name] for network in networks])
        for name in networks[0].state_dict()
    }
    x = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(0))
    together = networks[0].forward_many(stack, x)
    for i, network in enumerate(networks):
        torch.testing.assert_close(together[i], network(x[i]))


def test_gain_scales_the_first_weights():
    full, small = (models.build("mlp", seed=0, gain=gain) for gain in (1.0, 0.25))
    torch.testing.assert_close(small.linear[0].weight, full.linear[0].weight / 4)
    with pytest.raises(ValueError, match="gain must be positive"):
        models.build("mlp", gain=0)


@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_has_what_a_registered_class_must_have(name):
    shape = (12,) if name == "mlp" else (1, 128, 64)
    options = models.MODELS[name].options_for({}, shape, 2 if name == "mlp" else 5)
    for activation in models.MODELS[name].activations:
        network = models.build(name, activation, **options)
        output = network.eval()(torch.zeros(2, *shape))
        assert output.shape == (2, 2 if name == "mlp" else 5)
        assert set(network.measured_layers().values()) <= {n for n, _ in network.named_modules()}


@pytest.mark.parametrize(
    ("name", "options", "shape", "words"),
    [
        ("mlp", {}, (1, 128, 64), "do not fit inputs of shape"),
        ("mlp", {}, (11,), "do not fit inputs of shape"),
        ("mlp", {"sizes": []}, (12,), "do not fit inputs of shape"),
        ("mlp", {"sizes": [12, 3]}, (12,), "2 outputs"),
        ("simple_cnn", {}, (12,), "needs spectrograms"),
        ("mini_resnet", {}, (128, 64), "needs spectrograms"),
    ],
)
def test_a_model_refuses_data_that_it_does_not_fit(name, options, shape, words):
    with pytest.raises(ValueError, match=words):
        models.MODELS[name].options_for(options, shape, 2)


def test_a_network_is_called_by_its_widths_where_they_are_unusual():
    assert RunConfig("mlp").name == "mlp"
    assert RunConfig("mlp", options={"sizes": [12, 3, 2]}).name == "mlp 12-3-2"
    assert RunConfig("simple_cnn", options={"filters": [2, 4]}).name == "simple_cnn 2-4"


def test_thinning_keeps_both_ends():
    assert thin([0, 1, 2, 4, 8, 16], 3) == [0, 2, 16]
    assert thin([0, 5], 0) == [0, 5]
