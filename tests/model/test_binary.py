import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ddnn.model.binary import activate, grid_weight, quantize_weight
from ddnn.model.blocks import Convolution

VALUES = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=20)


def gradient(function, values: list[float]) -> list[float]:
    x = torch.tensor(values, requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None
    return x.grad.tolist()


def test_sign_of_zero_is_plus_one():
    x = torch.tensor([-0.5, -0.0, 0.0, 0.5])
    assert activate(x, 1).tolist() == [-1, 1, 1, 1]
    assert quantize_weight(x[None], 1).tolist() == [[-1, 1, 1, 1]]


def test_activation_gradient_is_cut_where_x_exceeds_one():
    values = [-1.5, -1.0, 0.0, 1.0, 1.5]
    assert gradient(lambda x: activate(x, 1), values) == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 32])
def test_weight_gradient_passes_in_units_of_the_filters_reach(bits):
    values = [-1.5, -0.2, 0.0, 0.7]
    got = gradient(lambda x: quantize_weight(x[None], bits), values)
    in_reach = 1 if bits in (1, 32) else (1 - 2**-bits) / 1.5
    assert got == pytest.approx([in_reach] * 4)


@given(VALUES, st.sampled_from([2, 4, 8]))
def test_k_bit_activations_are_the_nearest_of_the_wire_levels(values, bits):
    steps = 2**bits - 1
    x = torch.tensor(values, dtype=torch.float32)
    y = activate(x, bits)
    levels = torch.arange(steps + 1, dtype=torch.float32) / steps
    assert torch.isin(y, levels).all()
    assert ((y - x.clamp(0, 1)).abs() <= 0.5 / steps + 1e-6).all()


def test_k_bit_activation_gradient_is_cut_outside_the_unit_range():
    assert gradient(lambda x: activate(x, 4), [-0.1, 0.5, 1.1]) == [0, 1, 0]


@given(VALUES, st.sampled_from([2, 4, 8]))
def test_k_bit_weights_have_at_most_2_to_the_k_levels_within_reach(values, bits):
    weight = torch.tensor(values, dtype=torch.float32)[None]
    used = quantize_weight(weight, bits)
    reach = float(weight.abs().max())
    multiples = used * 2**bits
    assert ((multiples + 1) / 2 == ((multiples + 1) / 2).round()).all()
    assert used.abs().max() < 1
    step = 1 / (2**bits - 1)
    assert (used / (1 - 2**-bits) - weight / max(reach, 1e-12)).abs().max() <= step + 1e-5


@pytest.mark.parametrize("bits", [2, 4])
def test_sums_of_few_bits_are_exact(bits):
    torch.manual_seed(0)
    conv = Convolution(64, 8, bits=bits, stride=1)
    x = activate(torch.rand(2, 64, 8, 8), bits)
    exact = torch.nn.functional.conv2d(
        (x.double() * (2**bits - 1)).round() / 2**bits, conv.used_weight.double(), padding=1
    )
    assert torch.equal(conv(x).double(), exact)


def test_32_bits_are_left_alone_and_activate_as_relu():
    x: Tensor = torch.tensor([-1.0, 2.0])
    assert quantize_weight(x[None], 32).tolist() == [[-1, 2]]
    assert activate(x, 32).tolist() == [0, 2]


def test_weights_on_a_grid_sum_pixels_exactly_in_any_order():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 3, 3) * torch.tensor([0.01, 0.3, 1, 50])[:, None, None, None]
    grid = grid_weight(weight)
    reach = weight.abs().amax(dim=(1, 2, 3), keepdim=True)
    assert ((grid - weight).abs() <= reach / 1000).all()
    pixels = torch.randint(0, 256, (27,)) / 256
    terms = grid.flatten(1) * pixels
    exact = terms.double().sum(dim=1)
    for order in (torch.arange(27), torch.randperm(27)):
        total = torch.zeros(4)
        for place in order:
            total = total + terms[:, place]
        assert torch.equal(total.double(), exact)


def test_the_gradient_of_weights_on_a_grid_passes_unchanged():
    weight = torch.randn(2, 3, 3, 3, requires_grad=True)
    gradient = torch.randn(2, 3, 3, 3)
    (grid_weight(weight) * gradient).sum().backward()
    assert torch.equal(weight.grad, gradient)
