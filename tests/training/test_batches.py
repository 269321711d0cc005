"""N samples, V views, C image channels, H, W."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_samples, make_topology

from ddnn.training.batches import (
    GROUP,
    SHIFT,
    Batch,
    augment,
    batches,
    drop_bypassed,
    drop_count,
    drop_devices,
    mix_views,
    shift_and_mirror,
    tensors,
)
from ddnn.training.settings import settings_for

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("knob", "value", "changed"),
    [
        ("device_dropout", 0.3, "present_NV"),
        ("view_mixing", 0.4, "views"),
        ("augment", "scene", "views"),
        ("augment", "crop", "views"),
    ],
    ids=["dropout", "mixing", "scene", "crop"],
)
def test_what_a_setting_asks_for_is_done_to_every_batch(data, knob, value, changed):
    everything = tensors(data.samples, CPU)
    both = one_epoch(everything), one_epoch(everything, **{knob: value})
    for plain, other in zip(*both, strict=True):
        same = [torch.equal(*pair) for pair in zip(whole(plain), whole(other), strict=True)]
        assert [f for f, is_same in zip(Batch._fields, same, strict=True) if not is_same] == [
            changed
        ]


def whole(batch: Batch) -> tuple[torch.Tensor, ...]:
    """Its tensors, the views in one."""
    return (torch.stack(batch.views, dim=1), *batch[1:])


def one_epoch(everything: Batch, **changes: object) -> list[Batch]:
    """In the same order every time; nothing is done to the batches but what is asked for."""
    torch.manual_seed(0)
    return list(batches(everything, settings_for("paper", batch=32, **changes)))


def test_samples_are_shuffled_as_wholes(data):
    everything = tensors(data.samples, CPU)
    found = one_epoch(everything)
    torch.manual_seed(0)
    order = torch.randperm(len(everything.fused_N))
    assert order.tolist() != sorted(order.tolist())
    for rows, batch in zip(order.split(32), found, strict=True):
        for all_of_it, part in zip(whole(everything), whole(batch), strict=True):
            assert torch.equal(all_of_it[rows], part)


@given(st.integers(1, 12), st.integers(1, 6), st.floats(0.0, 0.95), st.integers(0, 1000))
def test_dropout_leaves_every_sample_a_device(count, views, share, seed):
    torch.manual_seed(seed)
    kept = drop_devices(torch.ones(count, views, dtype=torch.bool), share)
    assert kept.shape == (count, views)
    assert kept.any(dim=1).all()


def test_dropout_removes_the_share_asked_for_and_whole_devices():
    torch.manual_seed(0)
    kept = drop_devices(torch.ones(4000, 6, dtype=torch.bool), 0.3)
    assert abs(1 - kept.float().mean().item() - 0.3) < 0.02
    lost = (~kept).sum(dim=1)
    assert set(lost.tolist()) == {0, 1, 2, 3, 4, 5}


def test_some_samples_lose_many_devices_and_others_few():
    """A rate for each sample, uniform from 0 to twice the share: the number lost spreads wider
    than at one rate for all, where its variance is at most 1.5."""
    torch.manual_seed(0)
    lost = (~drop_devices(torch.ones(4000, 6, dtype=torch.bool), 0.3)).sum(dim=1).float()
    assert lost.var().item() == pytest.approx(6 * 0.18 + 36 * 0.03, abs=0.15)


def test_every_device_is_lost_as_often_and_spared_as_often():
    torch.manual_seed(0)
    kept = drop_devices(torch.ones(4000, 3, dtype=torch.bool), 0.8)
    shares_V = kept.float().mean(dim=0)
    assert shares_V.max() - shares_V.min() < 0.05
    alone_V = kept[kept.sum(dim=1) == 1].float().mean(dim=0)
    assert alone_V.max() - alone_V.min() < 0.1


def test_dropped_by_count_every_number_of_losses_is_as_likely():
    torch.manual_seed(0)
    lost = (~drop_count(torch.ones(6000, 6, dtype=torch.bool), 0.3)).sum(dim=1)
    shares = torch.bincount(lost, minlength=6) / 6000
    assert shares.tolist() == pytest.approx([0.2] * 5 + [0], abs=0.03)  # 0.6 of 6 are about 4


def test_dropped_by_count_every_set_of_a_size_is_as_likely_and_one_device_stays():
    torch.manual_seed(0)
    kept = drop_count(torch.ones(6000, 3, dtype=torch.bool), 0.9)
    assert kept.any(dim=1).all()
    for size in (1, 2):
        chosen = kept[(~kept).sum(dim=1) == size]
        assert chosen.float().mean(dim=0).tolist() == pytest.approx([1 - size / 3] * 3, abs=0.05)
    assert drop_count(torch.ones(5, 3, dtype=torch.bool), 0.0).all()


def test_a_training_drops_by_count_where_it_is_asked_to(data):
    everything = tensors(data.part("train"), torch.device("cpu"))
    plain = {"augment": "none", "view_mixing": 0.0, "batch": 48, "device_dropout": 0.9}
    torch.manual_seed(0)
    settings = settings_for("robust", dropout_by="count", **plain)
    by_count = [batch for _ in range(50) for batch in batches(everything, settings)]
    lost = torch.cat([(~batch.present_NV).sum(dim=1) for batch in by_count])
    shares = torch.bincount(lost, minlength=3) / len(lost)
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.05)


def test_no_share_removes_nothing():
    present = torch.ones(5, 3, dtype=torch.bool)
    assert drop_devices(present, 0.0).all()


def test_all_views_of_a_sample_change_alike():
    torch.manual_seed(1)
    image = torch.randint(0, 256, (12, 1, 3, 16, 16), dtype=torch.uint8)
    views = image.expand(12, 4, 3, 16, 16)
    changed = augment(views, torch.zeros(12, 4, dtype=torch.int64))
    assert changed.shape == views.shape
    assert changed.dtype == torch.uint8
    assert (changed == changed[:, :1]).all()
    assert not torch.equal(changed, views)


GRADIENT = torch.arange(0, 240, 15)


@pytest.mark.parametrize(
    ("image_HW", "channels", "is_changed"),
    [
        # Brighter to the right: only where mirrored is the left side brighter.
        (GRADIENT.expand(16, 16), 2, lambda image: image[:, 0] > image[:, -1]),
        # One grey all over: neither mirrored nor zoomed is it another.
        (torch.full((16, 16), 100), 3, lambda image: image != 100),
        # Brighter downwards, not re-lit: mirrored it is the same, cut out and zoomed it is not.
        (GRADIENT[:, None].expand(16, 16), 2, lambda image: image[0] > 0),
    ],
    ids=["mirrored", "re-lit", "zoomed"],
)
def test_some_scenes_are_changed_in_each_way_and_some_groups_unlike_others(
    image_HW, channels, is_changed
):
    torch.manual_seed(0)
    views = image_HW.to(torch.uint8).expand(30 * GROUP, 1, channels, 16, 16)
    found = augment(views, torch.zeros(len(views), 1))[:, 0, 0]
    changed_N = torch.stack([is_changed(image).all() for image in found])
    assert changed_N.float().mean() > 0.2
    groups = found.reshape(30, GROUP, 16, 16)
    assert (groups == groups[:, :1]).all()
    assert len({group.numpy().tobytes() for group in groups[:, 0]}) > 1


def test_absent_views_stay_black(data):
    torch.manual_seed(0)
    everything = tensors(data.samples, CPU)
    changed = augment(torch.stack(everything.views, dim=1), everything.labels_NV)
    assert not changed[everything.labels_NV < 0].any()


@pytest.mark.parametrize("channels", [2, 4])
def test_views_of_other_channels_than_grey_or_colour_are_moved_alone(channels):
    views = torch.full((3, 2, channels, 8, 8), 100, dtype=torch.uint8)
    changed = augment(views, torch.zeros(3, 2, dtype=torch.int64))
    assert torch.equal(changed, views)


def test_an_epoch_visits_every_sample_once(data):
    plain = settings_for("robust", batch=16, augment="none", device_dropout=0.0, view_mixing=0.0)
    torch.manual_seed(0)
    found = batches(tensors(data.samples, CPU), plain)
    seen = torch.cat([torch.stack(batch.views, dim=1) for batch in found])
    views = torch.from_numpy(data.samples.views_NVCHW)
    assert torch.equal(
        seen.flatten(1).float().sum(1).sort()[0], views.flatten(1).float().sum(1).sort()[0]
    )


def test_the_paper_preset_makes_one_batch_of_all(data):
    (batch,) = batches(tensors(data.samples, CPU), settings_for("paper"))
    assert len(batch.fused_N) == len(data.samples)
    assert batch.present_NV.all()


def test_a_single_sample_left_over_joins_no_batch(data):
    sizes = [
        len(batch.fused_N)
        for batch in batches(tensors(data.samples, CPU), settings_for("robust", batch=19))
    ]
    assert sizes == [19] * 5  # 96 = 5 x 19 + 1


@given(st.floats(0, 1), st.integers(0, 1000))
def test_mixed_views_come_from_the_same_camera_and_class(share, seed):
    torch.manual_seed(seed)
    views, labels, fused, _ = tensors(make_samples(24, seed=seed), CPU)
    mixed = mix_views(views, labels, fused, share)
    for camera in range(3):
        known = {
            (view.numpy().tobytes(), int(label))
            for view, label in zip(views[camera], fused, strict=True)
        }
        got = zip(mixed[camera], fused, strict=True)
        assert all((view.numpy().tobytes(), int(label)) in known for view, label in got)


def test_mixing_leaves_who_sees_the_object(data):
    torch.manual_seed(0)
    views, labels, fused, _ = tensors(data.samples, CPU)
    mixed = torch.stack(mix_views(views, labels, fused, 1.0), dim=1)
    assert not mixed[labels < 0].any()
    assert mixed[labels >= 0].flatten(1).any(dim=1).all()
    assert not torch.equal(mixed, torch.stack(views, dim=1))


def test_the_share_asked_for_is_mixed_each_view_on_its_own():
    torch.manual_seed(0)
    count = 200
    own_N = torch.arange(count, dtype=torch.uint8)
    views = own_N[:, None, None, None, None].expand(count, 4, 1, 2, 2)
    mixed = mix_views(views.unbind(1), torch.zeros(count, 4), torch.zeros(count), 0.3)
    mixed = torch.stack(mixed, dim=1)
    changed_NV = (mixed != views).flatten(2).any(dim=2)
    assert changed_NV.float().mean() == pytest.approx(0.3, abs=0.06)
    assert {0, 1, 2, 3} <= set(changed_NV.sum(dim=1).tolist())


def test_no_share_mixes_nothing(data):
    views, labels, fused, _ = tensors(data.samples, CPU)
    mixed = mix_views(views, labels, fused, 0.0)
    assert torch.equal(torch.stack(mixed, dim=1), torch.stack(views, dim=1))


def test_each_image_is_shifted_and_mirrored_on_its_own():
    torch.manual_seed(0)
    image = torch.arange(1, 65, dtype=torch.uint8).reshape(1, 1, 1, 8, 8)
    changed = shift_and_mirror(image.expand(200, 2, 1, 8, 8))
    assert changed.shape == (200, 2, 1, 8, 8)
    assert changed.dtype == torch.uint8
    padded = torch.nn.functional.pad(image[0, 0, 0], (SHIFT,) * 4)
    windows = padded.unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
    wanted = {tuple(w.flatten().tolist()) for w in (*windows, *windows.flip(-1))}
    got = {tuple(w.flatten().tolist()) for w in changed.reshape(-1, 8, 8)}
    assert got <= wanted
    assert len(got) > 100  # 162 differ


def test_a_share_of_the_samples_misses_each_node_that_a_fallback_leads_past():
    torch.manual_seed(0)
    present_NV = torch.ones(2000, 6, dtype=torch.bool)
    gone = drop_bypassed(make_topology("edge-fallback"), present_NV, 0.3)
    assert list(gone) == ["edge0"]
    assert gone["edge0"].float().mean() == pytest.approx(0.3, abs=0.05)
    assert drop_bypassed(make_topology("e-devices-edge-cloud"), present_NV, 0.3) == {}
