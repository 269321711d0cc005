"""N samples, K classes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ddnn.decision import (
    decide,
    decide_one,
    is_sure,
    is_sure_of_one,
    normalized_entropy,
    softmax,
)
from ddnn.errors import ShapeError

logits = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


@given(logits_NK=logits, temperature=st.floats(0.01, 100))
def test_probabilities_sum_to_one_whatever_the_logits(logits_NK, temperature):
    p_NK = softmax(logits_NK, temperature)
    assert (p_NK >= 0).all()
    np.testing.assert_allclose(p_NK.sum(axis=1), 1, rtol=1e-5)


@given(logits_NK=logits)
def test_entropy_is_between_0_and_1_and_the_class_is_the_largest_logit(logits_NK):
    decision = decide(logits_NK)
    assert ((decision.entropy_N >= 0) & (decision.entropy_N <= 1)).all()
    chosen_N = np.take_along_axis(logits_NK, decision.predicted_N[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(chosen_N, logits_NK.max(axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_uniform_is_1_and_certain_is_0(classes):
    uniform = np.full((1, classes), 1 / classes, dtype=np.float32)
    certain = np.eye(classes, dtype=np.float32)[:1]
    assert normalized_entropy(uniform) == pytest.approx([1])
    assert normalized_entropy(certain) == [0]


def test_entropy_is_the_papers():
    """Paper, III-D: -sum p log p / log |C|."""
    p = (0.7, 0.2, 0.1)
    wanted = -sum(x * math.log(x) for x in p) / math.log(3)
    assert normalized_entropy(np.array([p], dtype=np.float32)) == pytest.approx([wanted])


def test_one_class_has_no_entropy():
    with pytest.raises(ShapeError, match="got 1 class, want at least 2"):
        normalized_entropy(np.ones((4, 1), dtype=np.float32))


@pytest.mark.parametrize(
    ("threshold", "sure"),
    [
        (0, [False] * 3),
        (0.5, [True, False, False]),
        (0.6, [True, True, False]),
        (1, [True] * 3),
        (None, [True] * 3),
    ],
)
def test_an_exit_answers_strictly_below_its_threshold(threshold, sure):
    """Paper, table II: all samples exit at T = 1, none at 0."""
    assert is_sure(np.array([0, 0.5, 1], dtype=np.float32), threshold).tolist() == sure


def test_a_higher_temperature_is_less_sure_of_the_same_class():
    logits_NK = np.array([[3, 1, 0]], dtype=np.float32)
    cold, warm = decide(logits_NK, 1), decide(logits_NK, 4)
    assert cold.predicted_N == warm.predicted_N
    assert cold.entropy_N < warm.entropy_N


def test_logits_are_divided_by_the_temperature():
    """Softmax of (2, 0) at temperature 2 is softmax of (1, 0): e / (e + 1) and the rest."""
    p = math.e / (math.e + 1)
    np.testing.assert_allclose(softmax(np.array([[2, 0]], np.float32), 2), [[p, 1 - p]], rtol=1e-6)


def test_equal_logits_give_the_lowest_class():
    assert decide(np.array([[0, 2, 2], [1, 1, 1]], np.float32)).predicted_N.tolist() == [1, 0]


def test_no_samples_give_no_decisions():
    assert len(decide(np.zeros((0, 3), dtype=np.float32)).predicted_N) == 0


rows = st.lists(st.floats(width=32), min_size=2, max_size=12)
"""Of any numbers that a network could give, those that are none among them."""


def bits(value: float) -> bytes:
    return np.float32(value).tobytes()


def assert_alike(logits_K: list[float], temperature: float) -> None:
    found = decide(np.array([logits_K], dtype=np.float32), temperature)
    predicted, entropy, probability = decide_one(logits_K, temperature)
    assert predicted == found.predicted_N[0]
    assert bits(entropy) == bits(found.entropy_N[0])
    assert bits(probability) == bits(found.probability_N[0])


@given(logits_K=rows, temperature=st.floats(0.01, 100))
def test_one_row_is_decided_bit_by_bit_as_in_an_array(logits_K, temperature):
    with np.errstate(all="ignore"):
        assert_alike(logits_K, temperature)


@given(
    logits_K=st.lists(st.floats(-40, 40, width=32), min_size=2, max_size=8),
    temperature=st.floats(0.1, 10),
)
def test_one_row_of_ordinary_scores_is_decided_bit_by_bit_as_in_an_array(logits_K, temperature):
    assert_alike(logits_K, temperature)


def test_many_rows_of_trained_size_are_decided_alike():
    """What differs in the last bit is rare: examples found by chance are too few."""
    rng = np.random.default_rng(0)
    for classes in range(2, 9):
        logits_NK = (rng.normal(size=(2000, classes)) * 6).astype(np.float32)
        wanted = [values_N.tolist() for values_N in decide(logits_NK, 1.37)]
        ones = [decide_one(row, 1.37) for row in logits_NK.tolist()]
        assert [list(values) for values in zip(*ones, strict=True)] == wanted


@given(
    entropy=st.floats(0, 1, width=32),
    threshold=st.one_of(st.none(), st.floats(0, 1), st.floats(0, 1, width=32)),
)
def test_one_entropy_is_sure_as_in_an_array(entropy, threshold):
    wanted = is_sure(np.array([entropy], dtype=np.float32), threshold)[0]
    assert is_sure_of_one(entropy, threshold) == wanted
    if threshold is not None:
        near = float(np.float32(threshold))
        assert is_sure_of_one(near, threshold) == is_sure(np.float32([near]), threshold)[0]
