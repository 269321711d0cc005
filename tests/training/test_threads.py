import torch
from tiny import make_topology

from ddnn.model.joint import Joint
from ddnn.topology import Topology, read_topology
from ddnn.training.threads import threads_for


def test_a_small_network_gets_one_thread_and_the_number_comes_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(Joint(make_topology())):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_large_network_gets_what_torch_gives():
    document = read_topology("b-device-cloud").model_dump(mode="json")
    document["tiers"][1]["section"]["blocks"][1]["filters"] = 256
    joint = Joint(Topology.model_validate(document))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(joint):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
