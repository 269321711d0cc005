"""What a program gets that goes through a live system."""

import json

from test_feed import verdict

from ddnn.api.live import LiveSystem
from ddnn.live.feed import LIMIT, Feed
from ddnn.live.output import line_of


class Ended:
    """Stands for a service that answers a few more samples than wait for a slow reader."""

    def __init__(self) -> None:
        self.feed = Feed()

    def run(self) -> dict[str, object]:
        for sample in range(LIMIT + 5):
            self.feed.publish(verdict(sample))
        return {}

    def stop(self) -> None:
        """It has ended."""


def test_an_item_is_what_a_line_is_and_lost_ones_are_told():
    with LiveSystem(lambda _stack: Ended()) as live:
        live.wait()
        lost, *items = live
    assert lost == {"lost": 5}
    assert items == [json.loads(line_of(verdict(5 + n))) for n in range(LIMIT)]
