"""Benchmarks: ddnn beside plain baselines, in one run on one machine. Never part of a test."""
