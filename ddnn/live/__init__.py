"""A system that goes on for months: sources of views, the feed of what happens, verdicts out."""
