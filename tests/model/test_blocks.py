"""N samples, F filters, H, W."""

import pytest
import torch

from ddnn import blocks as described
from ddnn.model.binary import activate
from ddnn.model.blocks import Convolution, Linear, Norm1d, Norm2d, build_block, scale_and_shift
from ddnn.topology import Section, Shape


def section(**bits: int) -> Section:
    return Section.model_validate({"blocks": [{"kind": "convp", "filters": 1}], **bits})


@pytest.mark.parametrize("norm", [Norm1d(2), Norm2d(2)], ids=["vectors", "maps"])
def test_batch_norm_has_the_authors_constants(norm):
    """Epsilon 2e-5, and a running decay of 0.9: each batch moves the statistics by a tenth."""
    assert norm.eps == 2e-5
    x = torch.tensor([[1.0, 3.0], [3.0, 7.0]]).reshape(2, 2, *[1] * (2 * isinstance(norm, Norm2d)))
    norm.train()(x)
    torch.testing.assert_close(norm.running_mean, 0.1 * torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * torch.tensor([2.0, 8.0]))
    norm.train()(x)
    torch.testing.assert_close(norm.running_mean, 0.19 * torch.tensor([2.0, 5.0]))


def test_a_trained_batch_norm_is_torchs_own_up_to_rounding():
    torch.manual_seed(0)
    ours = Norm2d(3)
    for value in (ours.weight, ours.bias, ours.running_mean):
        torch.nn.init.normal_(value)
    torch.nn.init.uniform_(ours.running_var, 0.1, 4)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ours.eval()(x), torch.nn.BatchNorm2d.forward(ours, x))
    a_F, b_F = scale_and_shift(ours)
    torch.testing.assert_close(a_F[0] * x[:, 0] + b_F[0], ours(x)[:, 0])


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Convolution(64, 200, bits=1, stride=1),
        lambda: Convolution(64, 2000, bits=32, stride=1, kernel=(1, 1)),
        lambda: Linear(400, 200, bits=32),
    ],
    ids=["3x3", "1x1", "linear"],
)
def test_weights_begin_with_the_authors_spread(layer):
    """N(0, 1 / fan in): a sum over all inputs has variance 1."""
    torch.manual_seed(0)
    weight = layer().weight.detach()
    fan_in = weight[0].numel()
    assert weight.mean().item() == pytest.approx(0, abs=0.02 / fan_in**0.5)
    assert weight.var().item() * fan_in == pytest.approx(1, abs=0.02)


def test_a_convp_block_pools_before_it_normalizes():
    """Paper, figure 3: convolution, max pool 3x3, batch norm, activation."""
    torch.manual_seed(0)
    convp = described.ConvP(kind="convp", filters=4, pool_stride=2)
    block = build_block(convp, section(weight_bits=1, activation_bits=1), Shape(3, 8, 8)).eval()
    torch.nn.init.constant_(block.norm.weight, -1.0)  # the largest before is the smallest behind
    torch.nn.init.normal_(block.norm.bias)
    x = torch.rand(2, 3, 8, 8)
    sums = torch.nn.functional.conv2d(x, block.conv.weight.sign(), padding=1)
    pooled = torch.nn.functional.max_pool2d(sums, 3, stride=2, padding=1)
    wanted = activate(torch.nn.BatchNorm2d.forward(block.norm, pooled), 1)
    assert torch.equal(block(x), wanted)
    assert wanted.shape == (2, 4, 4, 4)


BLOCKS = {
    "convp": {"filters": 4},
    "conv": {"filters": 4},
    "residual": {"filters": 3},
    "fc": {"units": 4},
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_has_its_own_bits_or_else_its_sections(kind):
    """So that a width written at one block is not read at another."""
    types = {"convp": described.ConvP, "conv": described.Conv}
    types |= {"residual": described.Residual, "fc": described.FC}

    def widths(**own: int) -> tuple[int, int]:
        block = types[kind].model_validate({"kind": kind, **BLOCKS[kind], **own})
        around = section(weight_bits=4, activation_bits=8)
        module = build_block(block, around, Shape(3, 4, 4))
        layer = {"residual": "conv2", "fc": "linear"}.get(kind, "conv")
        inner = module.inner_bits if kind == "residual" else module.output_bits
        return getattr(module, layer).bits, inner

    assert widths() == (4, 8)
    assert widths(weight_bits=1) == (1, 8)
    assert widths(activation_bits=2) == (4, 2)
