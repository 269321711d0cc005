"""A camera's views as they come. Axes: C image channels, H, W."""

import numpy as np
import pytest
from PIL import Image

from ddnn.blocks import Shape
from ddnn.data.imagefile import read_image
from ddnn.errors import DataError
from ddnn.live.sources.arrivals import KEPT_BYTES, Arrivals
from ddnn.live.sources.picture import to_view

SHAPE = Shape(3, 8, 8)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def picture(grey: int, size: int = 8) -> np.ndarray:
    return np.full((size, size, 3), grey, np.uint8)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_the_view_nearest_to_the_instant_is_given():
    clock = Clock()
    arrivals = Arrivals(SHAPE, clock=clock)
    for grey in (50, 100, 150):
        arrivals.put(picture(grey))
        clock.now_s += 0.1
    assert arrivals.nearest(100.12, 0.05)[0, 0, 0] == 100
    assert arrivals.nearest(100.9, 1.0)[0, 0, 0] == 150
    assert arrivals.nearest(100.5, 0.05) is None


def test_a_cameras_latency_is_subtracted():
    arrivals = Arrivals(SHAPE, clock=Clock(), latency_s=0.4)
    arrivals.put(picture(50))
    assert arrivals.nearest(100.0, 0.1) is None
    assert arrivals.nearest(99.6, 0.1) is not None


def test_black_and_frozen_pictures_are_counted():
    arrivals = Arrivals(SHAPE, frozen_after=3)
    for grey in (50, 60, 60, 60, 60, 70):
        arrivals.put(picture(grey))
    assert arrivals.take_events() == {"frozen": 2}
    arrivals.put(picture(1))
    assert arrivals.take_events() == {"black": 1}
    assert arrivals.take_events() == {}


def test_trouble_is_said_once_and_so_is_its_end():
    said = []
    arrivals = Arrivals(SHAPE, crop=(0, 0, 9, 9), say=said.append)
    assert not arrivals.put(picture(50))
    assert not arrivals.put(picture(50))
    assert arrivals.put(picture(50, size=10))
    assert said == ["a picture of 8 x 8 x 3, want the crop [0, 0, 9, 9] inside it", "views again"]
    assert arrivals.take_events() == {"unreadable": 2}


def test_each_put_wakes_whoever_waits():
    woken = []
    arrivals = Arrivals(SHAPE, wake=lambda: woken.append(1))
    arrivals.put(picture(50))
    arrivals.put(picture(60))
    assert len(woken) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_becomes_the_view_that_training_makes_of_its_file(tmp_path, channels):
    pixels = noise(40, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    wanted = read_image(tmp_path / "a.png", channels=channels, size=16)
    np.testing.assert_array_equal(to_view(pixels, Shape(channels, 16, 16), None), wanted)


def test_a_crop_is_taken_before_resizing():
    pixels = noise(40, 30)
    wanted = to_view(pixels[5:25, 10:20], SHAPE, None)
    np.testing.assert_array_equal(to_view(pixels, SHAPE, (10, 5, 10, 20)), wanted)


def test_a_picture_of_the_views_own_size_is_taken_as_it_is():
    pixels = noise(4, 5, 7)
    np.testing.assert_array_equal(to_view(pixels, Shape(7, 4, 5), None), pixels.transpose(2, 0, 1))
    with pytest.raises(DataError, match="only grey and colour are resized"):
        to_view(pixels, Shape(7, 8, 8), None)


def test_views_are_kept_as_long_as_a_sample_may_look_back():
    clock, said = Clock(), []
    arrivals = Arrivals(SHAPE, clock=clock, kept_s=10.0, say=said.append)
    for n in range(200):
        arrivals.put(picture(n))
        clock.now_s += 0.1
    assert arrivals.nearest(110.05, 0.06)[0, 0, 0] in (100, 101)
    assert arrivals.nearest(109.0, 0.06) is None
    assert said == []


def test_views_for_which_there_is_no_room_are_let_go_and_it_is_said_once():
    side = 2000
    clock, said = Clock(), []
    arrivals = Arrivals(Shape(3, side, side), clock=clock, kept_s=10.0, say=said.append)
    room = KEPT_BYTES // (3 * side * side)
    for n in range(room + 3):
        arrivals.put(picture(n, side))
        clock.now_s += 0.1
    assert arrivals.nearest(100.0, 0.05) is None
    assert arrivals.nearest(100.3, 0.05)[0, 0, 0] == 3
    assert said == [
        f"64 MB hold {room} views, want 10 s of them (match_ms, delay_ms and a second): older ones "
        "are lost"
    ]
