"""Accuracies where many samples are of one object, and what a rule for parked cars reaches."""

import numpy as np
import pytest

from ddnn.data.multiview import DataSet, MultiView, Split
from ddnn.training.failures import SubsetAccuracy
from experiments.paper.ablation import expected
from experiments.paper.baselines import by_near_copies
from experiments.shared.objects import apart, each_alike, half_interval, share_right

TEST = np.arange(6, 12)


def street() -> DataSet:
    """Samples 0 to 5 are trained on. A parked car: 0, 1, 6, 7, 8; a person of its grey: 9."""
    levels = [100, 101, 10, 40, 70, 130, 101, 102, 103, 99, 180, 220]
    labels = [0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0]
    views = np.tile(np.array(levels, np.uint8)[:, None, None, None, None], (1, 1, 1, 2, 2))
    return DataSet(
        name="street",
        samples=MultiView(views=views, labels_NV=np.array([labels]).T, classes=("a", "b")),
        split=Split(train=np.arange(6), validation=np.arange(0), test=TEST),
        digest="",
        objects_N=np.array([0, 0, 1, 2, 3, 4, 0, 0, 0, 5, 5, 6]),
    )


def test_what_stands_still_is_told_apart_from_what_moves():
    right_N = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    found = apart(street(), right_N, "overall")
    assert found["overall"] == pytest.approx(100 * 4 / 6)
    assert (found["still"], found["still_samples"]) == (100, 3)
    assert found["moving"] == pytest.approx(100 / 3)
    assert found["per_object"] == pytest.approx(50)  # 1, 0.5 and 0 of three objects
    assert found["per_object_samples"] == 3
    assert found["still_error"] == 100  # one object says nothing of others


def test_a_set_without_copies_or_objects_has_one_accuracy():
    data = street()
    alone = DataSet(
        name="",
        samples=data.samples.take(np.array([2, 3, 4, 10])),
        split=Split(train=np.arange(2), validation=np.arange(0), test=np.arange(2, 4)),
        digest="",
    )
    found = apart(alone, np.array([1.0, 0.0]), "overall")
    assert found == {"overall": 50, "overall_samples": 2}


def test_each_object_counts_the_same_where_objects_are_known():
    right_N, objects_N = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0]), np.array([7, 7, 7, 3, 3, 9])
    assert share_right(right_N, None, "local") == {"local": pytest.approx(100 * 4 / 6)}
    found = share_right(right_N, objects_N, "local")
    assert found["local"] == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert found["local_error"] == pytest.approx(
        100 * half_interval(np.array([0.5, 1.0, 0.0]), np.arange(3))
    )
    assert each_alike(None) is None
    assert np.average(right_N, weights=each_alike(objects_N)) == pytest.approx(0.5)


def test_forty_views_of_one_car_are_one_car():
    right_N = np.array([1.0] * 40 + [0.0] * 10)
    objects_N = np.repeat([0, 1], [40, 10])
    assert half_interval(right_N, objects_N) == pytest.approx(0.5)
    assert half_interval(right_N, np.arange(50)) == pytest.approx(0.11, abs=0.01)
    assert half_interval(np.ones(50), objects_N) == 0
    assert half_interval(np.ones(40), np.zeros(40)) == 1


def test_the_expected_share_is_the_sum_over_all_subsets():
    def subset(lost: tuple[str, ...], right: list[bool]) -> SubsetAccuracy:
        return SubsetAccuracy(lost=lost, accuracy={}, local_share=0, correct_N=np.array(right))

    found = [subset((), [1, 1]), subset(("a",), [1, 0]), subset(("b",), [0, 0])]
    right_N = expected(found, np.array([False, True]), devices=2, survival=0.9)
    assert right_N == pytest.approx([0.81 + 0.09, 0.81 + 0.01])


def test_the_rule_for_parked_cars_copies_the_class_that_was_seen_alike():
    """Also where that is wrong: it does not look at the label; else the commonest that moves."""
    assert by_near_copies(street()).tolist() == [0, 0, 0, 0, 1, 1]
