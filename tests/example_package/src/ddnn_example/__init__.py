"""A package that adds to ddnn."""

NUMBER = 7
