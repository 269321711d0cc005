"""Samples seen by fewer cameras keep their labels."""

import numpy as np

from ddnn.data import ABSENT, DataSet, MultiView, Split


def three_views() -> MultiView:
    labels_NV = np.array([[0, ABSENT, 0], [ABSENT, 1, ABSENT], [1, 1, 1]])
    views = np.arange(3 * 3 * 4, dtype=np.uint8).reshape(3, 3, 1, 2, 2)
    return MultiView(
        views=views,
        labels_NV=labels_NV,
        classes=("car", "bus"),
        view_names=("a", "b", "c"),
    )


def test_a_sample_that_no_remaining_camera_sees_keeps_its_label():
    samples = three_views()
    fewer = samples.seen_by([2, 0])
    assert fewer.labels_NV.tolist() == [[0, 0], [ABSENT, ABSENT], [1, 1]]
    assert fewer.fused_labels_N.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(fewer.views_NVCHW, samples.views_NVCHW[:, [2, 0]])
    assert fewer.take(np.array([1])).fused_labels_N.tolist() == [1]


def test_a_data_set_of_other_cameras_has_another_digest():
    everything = np.arange(3)
    nothing = np.arange(0)
    data = DataSet(
        name="three",
        samples=three_views(),
        split=Split(train=everything, validation=nothing, test=nothing),
        digest="d",
    )
    fewer = data.seen_by([2, 0])
    assert fewer.view_names == ("c", "a")
    assert len({data.digest, fewer.digest, data.seen_by([0, 2]).digest}) == 3
    assert len(fewer.part("train")) == 3
