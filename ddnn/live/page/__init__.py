"""The page: what a running system shows in a browser, and as metrics."""
