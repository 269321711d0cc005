"""Feature maps and views in fewer bytes. Training and runtime both code with this."""
