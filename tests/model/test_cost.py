import pytest

from ddnn.model.cost import device_payload, equation_1, section_bits
from ddnn.topology import Topology, read_topology

# Paper, table II: threshold, samples of 171 that exit locally, bytes.
TABLE_II = {
    0.1: (0, 140),
    0.3: (1, 139),
    0.5: (3, 138),
    0.6: (5, 136),
    0.7: (39, 111),
    0.8: (104, 62),
    0.9: (142, 34),
    1.0: (171, 12),
}
# Figure 9: filters, samples of 171 that exit locally, bytes, bits of the device's section.
FIGURE_9 = {1: (120, 14, 432), 2: (126, 16, 660), 4: (121, 21, 1116), 8: (122, 30, 2028)}


def with_devices(blocks: list[dict[str, object]]) -> Topology:
    document = read_topology("six-cameras").model_dump(mode="json")
    document["tiers"][0]["section"]["blocks"] = blocks
    return Topology.model_validate(document)


def convp(filters: int) -> dict[str, object]:
    return {"kind": "convp", "filters": filters}


@pytest.mark.parametrize(("local", "wanted"), TABLE_II.values(), ids=map(str, TABLE_II))
def test_equation_1_gives_table_ii(local, wanted):
    exact = equation_1(classes=3, local_share=local / 171, filters=4, values=256)
    assert round(exact) == wanted
    assert device_payload(read_topology("six-cameras"), local / 171) == pytest.approx(exact)


@pytest.mark.parametrize("filters", FIGURE_9)
def test_figure_9_bytes_and_memory(filters):
    local, wanted_bytes, wanted_bits = FIGURE_9[filters]
    topology = with_devices([convp(4), convp(filters)])
    assert round(device_payload(topology, local / 171)) == wanted_bytes
    assert section_bits(topology, "cam0") == wanted_bits == 204 + 228 * filters


@pytest.mark.parametrize(("filters", "wanted"), [(4, 3244), (16, 12784)])
def test_memory_of_one_layer_devices(filters, wanted):
    assert section_bits(with_devices([convp(filters)]), "cam0") == wanted


def test_a_device_that_holds_the_exit_sends_no_scores():
    assert device_payload(read_topology("b-device-cloud"), 1.0) == 0


def test_an_exits_own_blocks_count_as_weights():
    document = read_topology("eeoi-resnet20").model_dump(mode="json")
    with_head = section_bits(Topology.model_validate(document), "cam0")
    document["tiers"][0]["exit"] |= {"blocks": [], "pool": 8}
    without = section_bits(Topology.model_validate(document), "cam0")
    assert with_head - without == (9 * 16 * 64 + (64 - 16) * 16 * 10) * 32 + 32
