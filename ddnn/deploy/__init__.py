"""Deployment over ssh: what is copied to each host, and what is then done there."""
