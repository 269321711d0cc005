"""Views that devices show, on their way to the page: taken out before anybody else sees them.

Axes: C image channels, H, W.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

from ddnn.live.events import ViewEvent
from ddnn.wire.messages import View
from ddnn.wire.transport import Mailbox, Received


class ViewsApart(Mailbox):
    """The collector's mailbox where views are shown: whoever turns the run gets all but those."""

    def __init__(self, *args: Any, show: Callable[[ViewEvent], None], **how: Any) -> None:
        """show: takes each view; it must return at once and not raise."""
        super().__init__(*args, **how)
        self._show = show

    def receive(self, timeout_s: float) -> list[Received]:
        """See Mailbox."""
        received = super().receive(timeout_s)
        rest = [each for each in received if not isinstance(each.message, View)]
        if len(rest) < len(received):
            for sender, message in received:
                if isinstance(message, View):
                    self._show(view_event(sender, message))
        return rest


def view_event(device: str, view: View) -> ViewEvent:
    """What the feed says of it."""
    channels, height, width = view.pixels_CHW.shape
    return {
        "kind": "view",
        "time": time.time(),
        "node": device,
        "sample": view.sample,
        "state": view.state.name.lower().replace("_", "-"),
        "channels": channels,
        "height": height,
        "width": width,
        "pixels": base64.b64encode(view.pixels_CHW.tobytes()).decode(),
    }
