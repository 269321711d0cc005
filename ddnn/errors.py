"""Every error ddnn raises for something a user or a peer can cause, as one tree.

Each message says in one line what the thing is, the value got, what was wanted, and where.

    DdnnError
    ├── ConfigError      a topology, card or plan file, an option
    ├── DataError        a data set's content
    ├── ShapeError       arrays that do not fit each other
    ├── BundleError      a bundle that is damaged or does not fit
    ├── WireError        a message that is refused (counted by `reason`, never fatal)
    ├── TransportError   a socket that cannot be opened
    ├── LaunchError      a node that does not start or stops unasked
    ├── DeployError      a host of a deployment that cannot be reached, or does not do its step
    └── InterruptError   a signal, Ctrl-C or another, that ended what was running
"""


class DdnnError(Exception):
    """Base of all errors that the command line prints as one line and `exit_code`."""

    exit_code = 1


class ConfigError(DdnnError):
    """A file or option of the user's is wrong: names file, key path, value, expectation."""


class DataError(DdnnError):
    """A data set cannot be used: names file, key or sample, what was found and wanted."""


class ShapeError(DdnnError):
    """Arrays do not fit each other."""


class BundleError(DdnnError):
    """A bundle is damaged, incomplete or made for something else: names the file."""


class WireError(DdnnError):
    """A received message is refused. `reason` is a short fixed word, for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class TransportError(DdnnError):
    """A socket cannot be bound or connected: names the address and the node."""


class LaunchError(DdnnError):
    """A node did not start, or stopped unasked: names the node and its last line."""


class DeployError(DdnnError):
    """A host of a deployment cannot be reached, or does not do its step: names the host."""


class InterruptError(DdnnError):
    """A signal ended what was running: says what that means for the user."""

    def __init__(self, said: str, exit_code: int) -> None:
        super().__init__(said)
        self.exit_code = exit_code
