"""Networks of torchvision and transformers, where these are installed: defaults work on all."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from own_networks import BINNING, by_hand, state_of

from iblib import measure_model
from iblib.activations import record

P = 5
Y = np.arange(P) % 2

SMALL_MAXVIT = {"input_size": (64, 64), "stem_channels": 8, "partition_size": 4, "head_dim": 8}
SMALL_MAXVIT |= {"block_channels": [8, 16], "block_layers": [1, 1], "stochastic_depth_prob": 0.2}
# family -> (a small member, size of its pictures, its options, parts that say nothing here)
FAMILIES = {
    "alexnet": ("alexnet", 64, {}, ""),
    "vgg": ("vgg11", 32, {}, ""),
    "resnet": ("resnet18", 32, {}, ""),
    "resnext": ("resnext50_32x4d", 32, {}, ""),
    "squeezenet": ("squeezenet1_1", 64, {}, ""),
    "densenet": ("densenet121", 32, {}, ""),
    "inception": ("inception_v3", 75, {"init_weights": False}, "AuxLogits"),
    "googlenet": ("googlenet", 32, {"init_weights": False}, "aux1"),
    "shufflenet": ("shufflenet_v2_x0_5", 32, {}, ""),
    "mobilenet": ("mobilenet_v3_small", 32, {}, ""),
    "regnet": ("regnet_x_400mf", 32, {}, ""),
    "mnasnet": ("mnasnet0_5", 32, {}, ""),
    "efficientnet": ("efficientnet_b0", 32, {}, "stochastic_depth"),
    "convnext": ("convnext_tiny", 32, {}, ""),
    "vit": ("vit_b_32", 64, {"image_size": 64}, ""),
    "swin": ("swin_t", 32, {}, ""),
    "swin v2": ("swin_v2_t", 64, {}, "cpb_mlp"),
    "maxvit": ("MaxVit", 64, SMALL_MAXVIT, ""),
}


def recorded(network, x) -> tuple[dict[str, np.ndarray], str]:
    """Layers by default, after checks that nothing has changed, and what was left out."""
    before = state_of(network)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = dict(record(network, x))
    assert state_of(network) == before
    assert len(caught) <= 1
    assert {len(t) for t in found.values()} == {P}
    return found, "".join(str(one.message) for one in caught)


@pytest.mark.parametrize("family", FAMILIES)
def test_torchvision(family):
    vision = pytest.importorskip("torchvision")
    member, size, options, left_out = FAMILIES[family]
    torch.manual_seed(0)
    network = (getattr(vision.models, member, None) or vision.models.maxvit.MaxVit)(**options)
    network.train()
    x = torch.randn(P, 3, size, size)
    found, said = recorded(network, x)
    assert bool(said) == bool(left_out)
    assert left_out in said
    expected = by_hand(network, x)
    for name, t in found.items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(t, expected[name], rtol=1e-3, atol=1e-4 * scale, err_msg=name)
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d) and not name.lower().startswith("aux"):
            assert name in found
    last = list(found)[-1]
    table = measure_model(network, (x, Y), layers=last, config=BINNING)
    assert set(table["layer"]) == {last}


@pytest.mark.parametrize("kind", ["bert", "gpt2", "gpt2, as many tokens as samples"])
def test_transformers(kind):
    hf = pytest.importorskip("transformers")
    torch.manual_seed(0)
    ids = torch.randint(0, 50, (P, P if "many" in kind else 7))
    mask = torch.ones_like(ids)
    mask[1:, -2:] = 0
    x = {"input_ids": ids, "attention_mask": mask}
    small = {"vocab_size": 50}
    if kind == "bert":
        config = hf.BertConfig(
            **small,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        )
        network, first, position = hf.BertModel(config), "embeddings.word_embeddings", "position"
    else:
        config = hf.GPT2Config(**small, n_embd=16, n_layer=2, n_head=2, n_positions=16)
        network, first, position = hf.GPT2LMHeadModel(config), "transformer.wte", "wpe"
    network.train()
    found, said = recorded(network, x)
    assert position in said
    assert not any(position in name for name in found)
    assert first in found
    expected = by_hand(network, x)
    for name, t in found.items():
        np.testing.assert_allclose(t, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    with pytest.warns(RuntimeWarning, match=position):
        table = measure_model(network, (x, Y), config=BINNING)
    assert list(table["layer"].unique()) == list(found)
    paired = measure_model(network, (ids, Y), layers=first, config=BINNING)
    again = measure_model(
        network, (ids, Y), layers=first, config=BINNING, forward=lambda m, batch: m(input_ids=batch)
    )
    pd.testing.assert_frame_equal(paired, again)
