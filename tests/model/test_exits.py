"""N samples, M members, K classes, F filters, H, W."""

import pytest
import torch

from ddnn.model.exits import ExitFusion, Head, round_scores
from ddnn.topology import Exit, Section, Shape

SECTION = Section.model_validate({"blocks": [{"kind": "convp", "filters": 1}], "weight_bits": 1})


def head(pool: int | list[int], **options: object) -> Head:
    rule = Exit.model_validate({"at": "gateway", "pool": pool, **options})
    torch.manual_seed(0)
    return Head(rule, SECTION, Shape(2, 4, 4), 3).eval()


def test_a_head_takes_the_mean_of_each_field_it_pools():
    pooled = head(2)
    maps = torch.randn(5, 2, 4, 4)
    fields = maps.reshape(5, 2, 2, 2, 2, 2).mean(dim=(3, 5))
    wanted = fields.flatten(1) @ pooled.linear.weight.sign().T
    torch.testing.assert_close(pooled(maps), pooled.norm(wanted))
    torch.testing.assert_close(
        pooled(maps), pooled(fields.repeat_interleave(2, 2).repeat_interleave(2, 3))
    )


def test_a_pool_of_unequal_sides_takes_the_mean_of_each_of_its_fields():
    pooled = head([1, 4])
    maps = torch.randn(5, 2, 4, 4)
    wanted = maps.mean(dim=3).flatten(1) @ pooled.linear.weight.sign().T
    torch.testing.assert_close(pooled(maps), pooled.norm(wanted))


def test_a_head_without_a_pool_sees_every_value():
    whole = head(1)
    maps = torch.randn(5, 2, 4, 4)
    wanted = whole.norm(maps.flatten(1) @ whole.linear.weight.sign().T)
    torch.testing.assert_close(whole(maps), wanted)


@pytest.mark.parametrize("scores", ["float16", "int8"])
def test_a_head_gives_scores_as_they_arrive(scores):
    maps = 40 * torch.randn(20, 2, 4, 4)
    fine, coarse = head(1)(maps), head(1, scores=scores)(maps)
    assert not torch.equal(fine, coarse)
    assert torch.equal(round_scores(fine, scores), coarse)


@pytest.mark.parametrize(
    ("scores", "least", "most"), [("float16", -65504, 65504), ("int8", -8, 127 / 16)]
)
def test_scores_beyond_what_can_be_sent_are_the_nearest_that_can(scores, least, most):
    ends = torch.tensor([[-1e6, 1e6]])
    assert round_scores(ends, scores).tolist() == [[least, most]]


@pytest.mark.parametrize(("aggregator", "wanted"), [("max", [3, 5]), ("average", [2, 1])])
def test_an_exit_fuses_by_its_aggregator_alone(aggregator, wanted):
    rule = Exit.model_validate({"at": "gateway", "aggregator": aggregator})
    fusion = ExitFusion(rule, SECTION, members=3, classes=2)
    scores = [torch.tensor([row]) for row in ([1.0, 5.0], [3.0, -3.0], [9.0, 9.0])]
    present = torch.tensor([[True, True, False]])
    assert fusion(scores, present).tolist() == [wanted]
    assert list(fusion.parameters()) == []


def test_concatenated_scores_go_through_a_map_in_the_order_of_the_members():
    rule = Exit.model_validate({"at": "gateway", "aggregator": "concat", "weight_bits": 32})
    fusion = ExitFusion(rule, SECTION, members=2, classes=2).eval()
    with torch.no_grad():
        fusion.linear.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1.0]]))
    scores = [torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])]
    found = fusion(scores, torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(found, fusion.norm(torch.tensor([[1.0, 4.0]])))
    alone = fusion(scores, torch.tensor([[True, False]]))
    torch.testing.assert_close(alone, fusion.norm(torch.tensor([[1.0, 0.0]])))
