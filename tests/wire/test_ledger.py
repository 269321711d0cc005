"""N samples, V views, K classes."""

import numpy as np
import pytest
from builders import star, star_topology
from hypothesis import given
from hypothesis import strategies as st
from speaker import Speaker

from ddnn.model.cost import equation_1
from ddnn.topology import COLLECTOR, Topology, read_topology
from ddnn.wire.codec import Codec
from ddnn.wire.ledger import Ledger, ip_bytes, zmtp_bytes
from ddnn.wire.messages import Capture, Features, Message, Scores, kind_of

SIX = read_topology("six-cameras")


def counted(*messages: tuple[str, str, Message], topology: Topology = SIX) -> dict[str, float]:
    """Totals of a ledger over messages (sender, receiver, message)."""
    codec = Codec(topology, 1)
    ledger = Ledger(codec)
    for sender, receiver, message in messages:
        data = Speaker(codec, sender).says(message)
        ledger.count((sender, receiver), message, kind_of(message), data, sent=True)
    links = ledger.account().links
    return {
        x: sum(getattr(c, x) for c in links) for x in ("information", "payload", "zmtp", "rows")
    }


def scores(rows: int) -> Scores:
    return Scores(range(rows), [0b111111] * rows, np.ones((rows, 3), dtype=np.float32))


def features(rows: int, value: float = 1.0) -> Features:
    shape = (rows, *SIX.feature_shape("cam0"))
    return Features(range(rows), [0b111111] * rows, np.full(shape, value, np.float32))


@given(local=st.integers(0, 64), deeper=st.integers(1, 64))
def test_payload_is_equation_1(local, deeper):
    """Paper, table II: 12 bytes of scores, 128 of features for the share that goes deeper."""
    batches = [("cam0", "gateway", scores(rows)) for rows in (local, deeper) if rows]
    found = counted(*batches, ("cam0", "cloud", features(deeper)))
    share = local / (local + deeper)
    per_sample = equation_1(classes=3, local_share=share, filters=4, values=256)
    assert found["payload"] == pytest.approx(per_sample * (local + deeper))


@given(splits=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_payload_does_not_depend_on_how_samples_share_messages(splits):
    many = counted(*(("cam0", "cloud", features(rows)) for rows in splits))
    ones = counted(*(("cam0", "cloud", features(1)) for _ in range(sum(splits))))
    assert (many["payload"], many["rows"]) == (ones["payload"], ones["rows"])
    assert many["zmtp"] <= ones["zmtp"]


def test_control_messages_carry_no_payload():
    capture = Capture(range(9))
    found = counted((COLLECTOR, "cam0", capture))
    assert (found["payload"], found["information"]) == (0, 0)
    assert found["zmtp"] == 16 + 9 * 4 + 2


def test_information_is_at_most_the_payload():
    assert counted(("cam0", "cloud", features(3)))["information"] == 0  # always the same bit
    rng = np.random.default_rng(0)
    mixed = features(50)
    mixed.features_NFHW[rng.random(mixed.features_NFHW.shape) < 0.5] = -1
    found = counted(("cam0", "cloud", mixed))
    assert 0.99 * found["payload"] < found["information"] <= found["payload"]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_what_fills_up_the_last_byte_of_a_row_is_no_information(bits):
    document = star(1, view={"channels": 1, "height": 6, "width": 6})
    document["tiers"][0]["section"] |= {
        "blocks": [{"kind": "convp", "filters": 1}], "activation_bits": bits,
    }  # fmt: skip
    rows, shape = 64, (1, 3, 3)
    views = [1] * rows
    equal = Features(range(rows), views, np.ones((rows, *shape), np.float32))
    topology = Topology.model_validate(document)
    found = counted(("cam0", "cloud", equal), topology=topology)
    assert found["payload"] == rows * -(-9 * bits // 8)
    assert found["information"] == 0
    halves = np.random.default_rng(0).integers(0, 2, (rows, *shape)).astype(np.float32)
    mixed = Features(range(rows), views, halves * 2 - 1 if bits == 1 else halves)
    found = counted(("cam0", "cloud", mixed), topology=topology)
    assert found["information"] == pytest.approx(rows * 9 / 8, rel=0.02)


@pytest.mark.parametrize(
    ("part", "zmtp", "ip"),
    [(0, 2, 54), (255, 257, 309), (256, 265, 317), (1439, 1448, 1500), (1440, 1449, 1553)],
)
def test_framing_of_a_part(part, zmtp, ip):
    assert (zmtp_bytes(part), ip_bytes(part)) == (zmtp, ip)


def test_an_account_of_nothing_is_empty():
    assert Ledger(Codec(star_topology(), 1)).account().links == ()


def test_a_row_in_which_nobody_saw_anything_counts_as_none():
    black = scores(3)
    seen = Scores(black.samples_N, [1, 0, 1], black.scores_NK)
    found = counted(("cam0", "gateway", seen))
    assert (found["rows"], found["payload"]) == (2, 2 * 12)


def captured(topology: Topology, *, rows: int = 9) -> tuple[Ledger, bytes]:
    """A ledger that counted one message, and that."""
    codec = Codec(topology, 1)
    ledger, message = Ledger(codec), Capture(range(rows))
    data = Speaker(codec, COLLECTOR).says(message)
    ledger.count((COLLECTOR, "cam0"), message, kind_of(message), data, sent=False)
    return ledger, data


def test_with_curve_each_part_is_sealed():
    """A name of 8 bytes, a nonce of 8, a code of 16 and flags more: 33 on the wire."""
    sealed = Topology.model_validate(SIX.model_dump(mode="json") | {"security": {"curve": True}})
    plain, _ = captured(SIX)
    ours, data = captured(sealed)
    assert ours.zmtp(sent=False) == plain.zmtp(sent=False) + 33
    ours.refuse(data, "checksum")
    assert ours.zmtp(sent=False) == 2 * (plain.zmtp(sent=False) + 33)


def test_what_is_refused_is_counted_as_received_and_by_its_reason_in_no_link():
    ledger, data = captured(SIX)
    links, before = ledger.account().links, ledger.zmtp(sent=False)
    ledger.refuse(data, "checksum")
    ledger.refuse(b"x" * 300, "checksum")
    assert ledger.zmtp(sent=False) == before + zmtp_bytes(len(data)) + zmtp_bytes(300)
    assert (ledger.zmtp(sent=True), ledger.account().links) == (0, links)
    assert ledger.account().events == (("checksum", 2),)


def test_a_new_run_begins_with_nothing_but_what_the_kernel_counts_too():
    """The kernel's count is of the connection: it knows no runs."""
    ledger, data = captured(SIX)
    ledger.refuse(data, "checksum")
    before = ledger.zmtp(sent=False)
    for _ in range(2):
        ledger.begin()
        assert (ledger.account().links, ledger.account().events) == ((), ())
        assert ledger.zmtp(sent=False) == before
    ledger.refuse(data, "session")
    assert ledger.zmtp(sent=False) == before + zmtp_bytes(len(data))
