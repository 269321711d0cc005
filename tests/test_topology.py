# ruff: noqa: E501  a wrong key and its message stand on one line
import copy
import json
from pathlib import Path

import pytest
import yaml
from builders import MEASURED, star, star_topology
from click.testing import CliRunner
from hierarchies import HIERARCHIES

from ddnn.cli.topology import command
from ddnn.errors import ConfigError
from ddnn.report.drawing import draw
from ddnn.topology import COLLECTOR, Topology, read_topology

SHIPPED = MEASURED
CONVP = {"kind": "convp", "filters": 2}
EDGE = {"name": "edge", "section": {"blocks": [CONVP]}}
ABSENT = object()


def changed(document: dict, key_path: str, value: object) -> dict:
    """The document with the value at a.b.0.c set, or taken away."""
    document = copy.deepcopy(document)
    *way, last = [int(key) if key.isdigit() else key for key in key_path.split(".")]
    place = document
    for key in way:
        place = place[key]
    if value is ABSENT:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return document


WRONG = {
    "unknown key": ("tiers.0.exit.treshold", 0.5, "tiers.0.exit.treshold: unknown key, did you mean 'threshold'?"),
    "unknown block key": ("tiers.0.section.blocks.0.filter", 4, "tiers.0.section.blocks.0.filter: unknown key, did you mean 'filters'?"),
    "unknown block": ("tiers.0.section.blocks.0.kind", "conv2d", "tiers.0.section.blocks.0: kind is conv2d, want one of convp, conv, residual, fc"),
    "missing key": ("nodes.cam0.endpoint", ABSENT, "nodes.cam0.endpoint: missing"),
    "not a number": ("tiers.0.section.blocks.0.filters", "four", "tiers.0.section.blocks.0.filters: got 'four', want an integer"),
    "out of range": ("tiers.0.section.blocks.0.filters", 0, "tiers.0.section.blocks.0.filters: got 0, want greater than or equal to 1"),
    "odd width": ("tiers.0.section.weight_bits", 3, "tiers.0.section.weight_bits: got 3, want 1, 2, 4, 8 or 32"),
    "odd aggregator": ("tiers.0.exit.aggregator", "sum", "tiers.0.exit.aggregator: got 'sum', want any of max, average, concat, attention, gated"),
    "one class": ("classes", ["car"], "classes: got ['car'], want at least 2 items"),
    "class twice": ("classes", ["car", "car"], "classes: got ['car', 'car'], want each class once"),
    "class without a name": ("classes", ["", "bus"], "classes.0: got '', want 1 to 100 printable letters"),
    "class on two lines": ("classes", ["car", "b\nus"], r"classes.1: got 'b\nus', want 1 to 100 printable letters"),
    "class with a long name": ("classes", ["car", "b" * 101], f"classes.1: got '{'b' * 40}', want 1 to 100 printable letters"),
    "upper-case name": ("name", "My Topology", "name: got 'My Topology', want"),
    "first tier": ("tiers.0.name", "camera", "tiers: got ['camera', 'cloud'], want the first named device and the last cloud"),
    "tier twice": ("tiers.1", {"name": "device", "section": {}}, "tiers: got ['device', 'device'], want the first named device"),
    "gateway tier": ("tiers", [{"name": "device", "section": {"blocks": [CONVP]}}, {"name": "gateway", "section": {}}, {"name": "cloud", "section": {}}], "tiers: gateway and collector are no tiers"),
    "role typo": ("nodes.cloud.role", "clowd", "nodes.cloud.role: no tier named 'clowd' (known: device, cloud, gateway)"),
    "two clouds": ("nodes.cloud1", {"role": "cloud", "endpoint": "tcp://127.0.0.1:9"}, "nodes: 2 with role cloud, want exactly one"),
    "no view": ("nodes.cam1.view", ABSENT, "nodes.cam1.view: got None, want one for a device and no other"),
    "view of a gateway": ("nodes.gateway.view", 3, "nodes.gateway.view: got 3, want one for a device and no other"),
    "view twice": ("nodes.cam1.view", 0, "nodes: devices have views [0, 0, 2], want 0 to 2 once each"),
    "view left out": ("nodes.cam2.view", 3, "nodes: devices have views [0, 1, 3], want 0 to 2 once each"),
    "parent typo": ("nodes.cam0.parent", "clowd", "nodes.cam0.parent: no node named 'clowd' (known: cam0, cam1, cam2, gateway, cloud)"),
    "no parent": ("nodes.cam0.parent", ABSENT, "nodes.cam0.parent: no node named None"),
    "parent of wrong tier": ("nodes.cam0.parent", "gateway", "nodes.cam0.parent: 'gateway' is a gateway, want a node of tier cloud"),
    "parent of the cloud": ("nodes.cloud.parent", "cam0", "nodes.cloud.parent: got 'cam0', want none for cloud"),
    "name taken": ("nodes.collector", {"role": "gateway", "endpoint": "tcp://127.0.0.1:9"}, "nodes.collector: the name is taken, want another"),
    "nobody's parent": ("tiers", [star()["tiers"][0], EDGE, star()["tiers"][1]], "nodes.cam0.parent: 'cloud' is a cloud, want a node of tier edge"),
    "exit typo": ("tiers.0.exit.at", "gatway", "tiers.0.exit.at: no node named 'gatway' (known: cam0,"),
    "exit at the wrong node": ("tiers.0.exit.at", "cloud", "tiers.0.exit.at: 'cloud' is a cloud, want device or gateway"),
    "no last exit": ("tiers.1.exit", ABSENT, "tiers.1.exit: the last tier has none, want one: it always answers"),
    "no threshold": ("tiers.0.exit.threshold", ABSENT, "tiers.0.exit.threshold: got None, want a number from 0 to 1"),
    "threshold at the last exit": ("tiers.1.exit.threshold", 0.5, "tiers.1.exit.threshold: got 0.5, want none at the last exit"),
    "threshold above 1": ("tiers.0.exit.threshold", 1.5, "tiers.0.exit.threshold: got 1.5, want less than or equal to 1"),
    "idle gateway": ("nodes.gateway2", {"role": "gateway", "endpoint": "tcp://127.0.0.1:9"}, "nodes.gateway2: a gateway that holds no exit"),
    "endpoint": ("nodes.cam0.endpoint", "127.0.0.1:5000", "nodes.cam0.endpoint: got '127.0.0.1:5000', want tcp://ADDRESS:PORT"),
    "port": ("nodes.cam0.endpoint", "tcp://127.0.0.1:70000", "nodes.cam0.endpoint: got 'tcp://127.0.0.1:70000', want"),
    "endpoint twice": ("nodes.cam1.endpoint", "tcp://127.0.0.1:20001", "nodes.cam1.endpoint: tcp://127.0.0.1:20001 is already cam0's, want another"),
    "the collector's endpoint": ("nodes.cam1.endpoint", "tcp://127.0.0.1:20000", "nodes.cam1.endpoint: tcp://127.0.0.1:20000 is already collector's"),
    "even kernel": ("tiers.0.section.blocks", [CONVP | {"kernel": [2, 3]}], "tiers.0.section.blocks.0.kernel: got [2, 3], want two odd numbers from 1 to 127"),
    "no blocks": ("tiers.1.section.blocks", [], "tier cloud: section.blocks: got none, want at least one"),
    "no blocks before an exit": ("tiers.0.section.blocks", [], "tier device: section.blocks: got none, want at least one"),
    "exit pool": ("tiers.0.exit.pool", 5, "tier device: exit.pool: got 5x5, want at most 4x4, the size of cam0's maps"),
    "wide exit pool": ("tiers.0.exit.pool", [1, 5], "tier device: exit.pool: got 1x5, want at most 4x4, the size of cam0's maps"),
    "no exit pool": ("tiers.0.exit.pool", [0, 4], "tiers.0.exit.pool"),
    "stride": ("tiers.0.section.blocks", [CONVP | {"stride": 9}], "tiers.0.section.blocks.0.stride: got 9, want less than or equal to 4"),
    "many weights": ("tiers.0.section.blocks", [CONVP | {"filters": 1024, "pool_stride": 1}, {"kind": "fc", "units": 65536}], "tier device: section.blocks.1: 4294967296 weights, want at most 67108864"),
    "no devices": ("nodes", {name: node for name, node in star()["nodes"].items() if node["role"] != "device"}, "nodes: none with role device, want at least one"),
    "fallback of a gateway": ("nodes.gateway.fallback", "cloud", "nodes.gateway.fallback: got 'cloud', want none for gateway"),
    "fallback of the cloud": ("nodes.cloud.fallback", "cloud", "nodes.cloud.fallback: got 'cloud', want none for cloud"),
    "section of a gateway": ("nodes.gateway.section", {"blocks": [CONVP]}, "nodes.gateway.section: a gateway runs none, want it at another node"),
    "no window": ("collector.window", 257, "collector.window: got 257, want less than or equal to 256"),
    "yes for a count": ("nodes.cam1.view", True, "nodes.cam1.view: got True, want an integer"),
    "yes for a width": ("tiers.0.section.weight_bits", True, "tiers.0.section.weight_bits: got True, want an integer"),
    "yes for a policy": ("nodes.gateway.restart", True, "nodes.gateway.restart: got True, want 'never' or 'always' or an integer"),
    "yes for a share": ("tiers.0.exit.threshold", True, "tiers.0.exit.threshold: got True, want a number"),
    "text for a time": ("heartbeat", {"interval_ms": "100"}, "heartbeat.interval_ms: got '100', want a number"),
    "no patience": ("collector.answer_ms", 100, "collector.answer_ms: got 100, want more than 100, the tiers.1.deadline_ms that it waits for"),
    "link typo": ("links", [{"from": "cam0", "to": "gatway"}], "links.0.to: no node named 'gatway'"),
}  # fmt: skip


@pytest.mark.parametrize(("key_path", "value", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_in_one_line_with_its_place(tmp_path, key_path, value, said):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(changed(star(), key_path, value), sort_keys=False))
    with pytest.raises(ConfigError) as caught:
        read_topology(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {said}")
    assert "\n" not in message


@pytest.mark.parametrize("aggregator", ["max", "average"])
def test_only_concat_takes_maps_of_different_sizes(aggregator):
    blocks = [CONVP | {"pool_stride": 1}]
    document = changed(star(), "nodes.cam1.section", {"blocks": blocks})
    assert Topology.model_validate(document).input_shape("cloud") == (32 + 128 + 32, 1, 1)
    with pytest.raises(ConfigError) as caught:
        Topology.model_validate(changed(document, "tiers.1.aggregator", aggregator))
    assert str(caught.value) == (
        "nodes.cloud: children's maps differ (cam0 2x4x4, cam1 2x8x8, cam2 2x4x4): "
        f"{aggregator} takes one value of each at every place, want maps of one size, or "
        "aggregator concat"
    )


def test_maps_inside_a_section_are_bounded_too():
    large = changed(star(), "view", {"channels": 1, "height": 256, "width": 256})
    blocks = [CONVP | {"filters": 256, "pool_stride": 1}, {"kind": "fc", "units": 2}]
    with pytest.raises(ConfigError, match=r"section\.blocks\.0: maps of 16777216 values, want at"):
        Topology.model_validate(changed(large, "tiers.0.section.blocks", blocks))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file, want keys and values"),
        ("- a", "a list, want keys and values"),
        ("a: [", "line 1: expected the node content"),
        ("a: 1\na: 2", "line 2: key 'a' is given twice"),
        ("a: !!python/object/apply:os.system [ls]", "line 1: could not determine a constructor"),
        ("a: " + "[" * 1500, "nested too deeply"),
        ("a: \x00", "not YAML"),
        ('a: !!int ""', "not YAML"),
        ("a: !!bool maybe", "not YAML"),
        ("a: !!timestamp maybe", "not YAML"),
        (f"name: 0x{'f' * 5000}", "got a int too long to show, want"),
    ],
    ids=[
        "empty",
        "a list",
        "cut off",
        "key twice",
        "code",
        "deep",
        "binary",
        "no number",
        "no truth",
        "no time",
        "digits",
    ],
)
def test_what_is_no_topology_is_told_in_one_line(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_topology(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"six-camera: .*did you mean 'six-cameras'\? known: a-"):
        read_topology("six-camera")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_topologies_survive_a_round_trip(name):
    topology = read_topology(name)
    again = Topology.model_validate_json(topology.model_dump_json())
    assert again == topology
    assert again.digest == topology.digest


@pytest.mark.parametrize("name", SHIPPED)
def test_other_endpoints_change_nothing_else(name):
    topology = read_topology(name)
    endpoints = {
        n: f"tcp://127.0.0.1:{9000 + i}" for i, n in enumerate((COLLECTOR, *topology.nodes))
    }
    moved = topology.with_endpoints(endpoints)
    assert {n: moved.endpoint(n) for n in endpoints} == endpoints
    own = {n: topology.endpoint(n) for n in endpoints}
    assert moved.with_endpoints(own) == topology


@pytest.mark.parametrize("name", SHIPPED)
def test_a_drawing_shows_every_node_and_exit(name):
    topology = read_topology(name)
    drawing = draw(topology)
    for node in topology.nodes:
        assert node in drawing
    for exit_name in topology.exits:
        assert f"exit {exit_name} at " in drawing


@pytest.mark.parametrize("name", SHIPPED)
def test_check_and_draw_print_the_drawing(name):
    for verb in ("check", "draw"):
        result = CliRunner().invoke(command, [verb, name])
        assert result.exit_code == 0
        assert draw(read_topology(name)) in result.output


def test_the_schema_is_json_and_knows_every_key():
    result = CliRunner().invoke(command, ["schema"])
    assert set(json.loads(result.output)["properties"]) == set(Topology.model_fields)


def test_devices_are_in_the_order_of_their_views():
    document = star()
    document["nodes"]["cam0"]["view"], document["nodes"]["cam2"]["view"] = 2, 0
    topology = Topology.model_validate(document)
    assert topology.devices == topology.children("cloud") == ("cam2", "cam1", "cam0")


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [("cam0", (4, 16, 16), 128), ("cloud", (16, 16, 16), 512)],
)
def test_six_cameras_has_the_papers_sizes(name, shape, size):
    """Paper, IV-A and III-E: 4 filters of 256 bits."""
    topology = read_topology("six-cameras")
    assert topology.feature_shape(name) == shape
    assert topology.feature_bytes(name) == size


def test_files_are_found_by_path_before_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "six-cameras").write_text(yaml.safe_dump(star()))
    monkeypatch.chdir(tmp_path)
    assert read_topology("six-cameras").name == "star"


def waits(topology: Topology) -> list[tuple[float, float | None]]:
    """Of each tier: its deadline, and its exit's."""
    return [(t.deadline_ms, t.exit and t.exit.deadline_ms) for t in topology.tiers]


def test_deadlines_that_are_not_given_grow_with_the_tiers():
    assert waits(read_topology("six-cameras")) == [(100, 100), (100, 200)]
    assert waits(read_topology("f-edges-cloud")) == [(100, 100), (100, 200), (300, 400)]
    assert waits(HIERARCHIES["fog"]) == [(100, 100), (100, 200), (300, None), (400, 500)]
    assert HIERARCHIES["fog"].collector.answer_ms == 1000


def test_a_deadline_that_is_given_counts_for_those_above_it():
    document = changed(star(), "tiers.1.deadline_ms", 700)
    topology = Topology.model_validate(document)
    assert waits(topology) == [(100, 100), (700, 800)]
    assert topology.collector.answer_ms == 1600


@pytest.mark.parametrize(
    ("key_path", "value", "said"),
    [
        ("tiers.1.exit.deadline_ms", 100, "tiers.1.exit.deadline_ms: got 100, want more than 100, the tiers.1.deadline_ms"),
        ("tiers.2.deadline_ms", 200, "tiers.2.deadline_ms: got 200, want more than 200, the tiers.1.exit.deadline_ms"),
        ("tiers.1.deadline_ms", 300, "tiers.1.exit.deadline_ms: got 200, want more than 300, the tiers.1.deadline_ms"),
    ],
)  # fmt: skip
def test_who_waits_above_outlasts_who_waits_below(key_path, value, said):
    document = read_topology("f-edges-cloud").model_dump(mode="json")
    with pytest.raises(ConfigError) as caught:
        Topology.model_validate(changed(document, key_path, value))
    assert str(caught.value) == f"{said} that it waits for"


def test_the_exit_of_a_tier_of_one_node_waits_for_nobody():
    document = read_topology("edge-fallback").model_dump(mode="json")
    document["tiers"][1]["exit"]["deadline_ms"] = 1
    assert waits(Topology.model_validate(document))[1] == (100, 1)


def test_who_has_a_part_is_said_of_views_and_of_nodes_that_can_be_gone_past():
    fog = HIERARCHIES["fog, ways past both"]
    assert (fog.bypassable, fog.part_bits) == (("edge0", "edge1", "fog"), 7)
    assert fog.parts_below("edge1") == {2, 3}
    assert fog.parts_below("fog") == {0, 1, 2, 3, fog.bypass_bit("edge0"), fog.bypass_bit("edge1")}
    assert fog.parts_below("cloud") == set(range(7))
    assert star_topology().part_bits == 3


def test_nodes_of_one_pack_are_limited_alike():
    document = star(3)
    document["nodes"]["cam0"] |= {"pack": "left", "limits": {"cpu": 0.5}}
    document["nodes"]["cam2"] |= {"pack": "left"}
    with pytest.raises(ConfigError, match=r"nodes\.cam2\.limits: other than cam0's, want the same"):
        Topology.model_validate(document)


def test_a_pack_is_of_one_host_and_one_name():
    document = star(5)
    for name, pack in (("cam0", True), ("cam1", True), ("cam2", "left"), ("cam3", "left")):
        document["nodes"][name]["pack"] = pack
    document["nodes"]["cam4"] |= {"pack": True, "host": "shed"}
    topology = Topology.model_validate(document)
    packs = {topology.pack(name) for name in topology.devices}
    assert packs == {("cam0", "cam1"), ("cam2", "cam3"), ("cam4",)}
    assert topology.asked_devices == ("cam0", "cam2", "cam4")
