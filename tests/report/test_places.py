"""The drawing says what runs where."""

from ddnn.report.drawing import draw
from ddnn.topology import read_topology


def test_hosts_are_drawn_where_there_are_several():
    drawn = draw(read_topology("two-hosts"))
    assert "host cloud: cloud\n" in drawn
    assert "host site: cam0, cam1, cam2, cam3, cam4, cam5, gateway, collector\n" in drawn
    assert drawn.endswith("every connection encrypted (CURVE), every node known by its key")


def test_one_host_without_keys_is_not_worth_a_word():
    drawn = draw(read_topology("six-cameras"))
    assert "host" not in drawn
    assert "CURVE" not in drawn
