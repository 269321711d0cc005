"""N samples, M members, K classes."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ddnn.errors import ConfigError
from ddnn.model.aggregate import FUSE, LEARNED, LearnedFusion, build_fusion

SHAPES = {"vectors": (3,), "maps": (2, 4, 4)}


@st.composite
def members(draw: st.DrawFn) -> tuple[list[Tensor], Tensor]:
    """M tensors (N, ...) and presence (N, M) with at least one member a sample."""
    count, samples = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    shape = SHAPES[draw(st.sampled_from(sorted(SHAPES)))]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    values = [torch.randn((samples, *shape), generator=generator) for _ in range(count)]
    present_NM = torch.rand((samples, count), generator=generator) > 0.4
    present_NM[torch.arange(samples), torch.randint(count, (samples,), generator=generator)] = True
    return values, present_NM


@pytest.mark.parametrize(
    ("kind", "present_M", "wanted"),
    [
        ("max", [1, 1, 1], [6, -1]),
        ("max", [1, 1, 0], [2, -3]),
        ("average", [1, 1, 1], [3, -3]),
        ("average", [1, 1, 0], [1.5, -4]),
        ("average", [0, 0, 1], [6, -1]),
        ("concat", [1, 1, 1], [1, -5, 2, -3, 6, -1]),
        ("concat", [1, 0, 1], [1, -5, 0, 0, 6, -1]),
    ],
)
def test_max_average_and_concat_are_what_their_names_say(kind, present_M, wanted):
    """Average: the mean of those present, neither a sum nor a share of all."""
    values = [torch.tensor([row]) for row in ([1.0, -5.0], [2.0, -3.0], [6.0, -1.0])]
    assert FUSE[kind](values, torch.tensor([present_M])).tolist() == [wanted]
    maps = [value[:, :, None, None].expand(1, 2, 3, 4) for value in values]
    wanted_maps = torch.tensor([wanted], dtype=torch.float32)[:, :, None, None].expand(1, -1, 3, 4)
    assert torch.equal(FUSE[kind](maps, torch.tensor([present_M])), wanted_maps)


@pytest.mark.parametrize("kind", ["max", "average"])
@given(case=members(), seed=st.integers(0, 100))
def test_order_of_members_does_not_matter(kind, case, seed):
    values, present_NM = case
    order = torch.randperm(len(values), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = FUSE[kind]([values[m] for m in order], present_NM[:, order])
    torch.testing.assert_close(FUSE[kind](values, present_NM), shuffled)


@pytest.mark.parametrize("kind", ["max", "average"])
@given(case=members())
def test_missing_members_are_as_if_they_did_not_exist(kind, case):
    values, present_NM = case
    fused = FUSE[kind](values, present_NM)
    for n, present_M in enumerate(present_NM):
        here = [value[n : n + 1] for m, value in enumerate(values) if present_M[m]]
        alone = FUSE[kind](here, torch.ones(1, len(here), dtype=torch.bool))
        torch.testing.assert_close(fused[n : n + 1], alone)


@given(case=members())
def test_concat_keeps_places_and_puts_zeros_for_the_missing(case):
    values, present_NM = case
    fused = FUSE["concat"](values, present_NM)
    width = values[0].shape[1]
    for m, value in enumerate(values):
        block = fused[:, m * width : (m + 1) * width]
        for n in range(len(value)):
            wanted = value[n] if present_NM[n, m] else torch.zeros_like(value[n])
            assert torch.equal(block[n], wanted)


@pytest.mark.parametrize("kind", ["max", "average", "concat"])
@given(case=members())
def test_what_a_missing_member_holds_is_never_seen(kind, case):
    values, present_NM = case
    changed = [
        torch.where(present_NM[:, m].reshape(-1, *[1] * (value.dim() - 1)), value, 1e6)
        for m, value in enumerate(values)
    ]
    assert torch.equal(FUSE[kind](values, present_NM), FUSE[kind](changed, present_NM))


@pytest.mark.parametrize("kind", ["max", "average", "concat"])
def test_nobody_present_gives_zeros(kind):
    values = [torch.randn(2, 3), torch.randn(2, 3)]
    assert not FUSE[kind](values, torch.zeros(2, 2, dtype=torch.bool)).any()


def test_concat_takes_members_of_different_widths():
    fused = FUSE["concat"]([torch.ones(1, 2, 4, 4), torch.ones(1, 3, 4, 4)], torch.ones(1, 2))
    assert fused.shape == (1, 5, 4, 4)


def test_tied_members_of_max_share_the_gradient():
    values = [torch.ones(1, 1, requires_grad=True) for _ in range(2)]
    FUSE["max"](values, torch.ones(1, 2)).sum().backward()
    assert [value.grad.item() for value in values if value.grad is not None] == [0.5, 0.5]


@pytest.fixture(params=LEARNED)
def learned(request):
    """For members of shape (2, ...), with weights that are not those at the beginning."""

    def build(values) -> LearnedFusion:
        torch.manual_seed(1)
        fusion = build_fusion(request.param, len(values), tuple(values[0].shape[1:]))
        for weight in fusion.parameters():
            torch.nn.init.normal_(weight)
        return fusion

    return build


@given(case=members())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_learned_fusion_never_sees_what_a_missing_member_holds(learned, case):
    values, present_NM = case
    changed = [
        torch.where(present_NM[:, m].reshape(-1, *[1] * (value.dim() - 1)), value, -3.0)
        for m, value in enumerate(values)
    ]
    fusion = learned(values)
    torch.testing.assert_close(fusion(values, present_NM), fusion(changed, present_NM))


@given(case=members())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_learned_fusion_lies_between_the_present_members(learned, case):
    """It is a weighted mean of them, for each filter."""
    values, present_NM = case
    fused = learned(values)(values, present_NM)
    for n, present_M in enumerate(present_NM):
        here = torch.stack([value[n] for m, value in enumerate(values) if present_M[m]])
        assert (fused[n] <= here.amax(dim=0) + 1e-4).all()
        assert (fused[n] >= here.amin(dim=0) - 1e-4).all()


@pytest.mark.parametrize("kind", LEARNED)
def test_learned_fusion_begins_as_average(kind):
    values = [torch.randn(4, 3, 2, 2) for _ in range(3)]
    present_NM = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]).bool()
    fused = build_fusion(kind, 3, (3, 2, 2))(values, present_NM)
    torch.testing.assert_close(fused, FUSE["average"](values, present_NM))


@pytest.mark.usefixtures("example_package")
def test_a_package_adds_an_aggregator():
    fusion = build_fusion("total", 2, (3,))
    values = [torch.ones(1, 3), 2 * torch.ones(1, 3)]
    assert fusion(values, torch.tensor([[1, 0]])).tolist() == [[1, 1, 1]]
    with pytest.raises(ConfigError, match=r"^aggregator: 'no_module' gave a int, want a torch"):
        build_fusion("no_module", 2, (3,))


def test_an_aggregator_that_nobody_adds_is_refused():
    with pytest.raises(ConfigError, match=r"^aggregator: no installed package adds 'sum'"):
        build_fusion("sum", 2, (3,))
