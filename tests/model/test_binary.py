import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ddnn.model.binary import activate, quantize_weight

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
def test_weight_gradient_passes_unchanged(bits):
    values = [-1.5, -0.2, 0.0, 0.7]
    got = gradient(lambda x: quantize_weight(x[None], bits), values)
    assert got == pytest.approx([1, 1, 1, 1])


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
    assert len(used.unique()) <= 2**bits
    assert used.abs().max() <= reach * (1 + 1e-6)
    assert (used - weight).abs().max() <= reach / (2**bits - 1) + 1e-6


def test_32_bits_are_left_alone_and_activate_as_relu():
    x: Tensor = torch.tensor([-1.0, 2.0])
    assert quantize_weight(x[None], 32).tolist() == [[-1, 2]]
    assert activate(x, 32).tolist() == [0, 2]
