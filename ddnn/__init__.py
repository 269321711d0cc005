"""ddnn: one deep network, trained jointly, run by devices, edge servers and the cloud."""

__version__ = "0.1.0"
