"""A Kinesis shard grants five reads a second to all of its readers together."""

from millrace_notifications.bootstrap import READS_PER_SECOND as NOTIFICATIONS
from millrace_projector.bootstrap import READS_PER_SECOND as PROJECTOR
from millrace_reviews.bootstrap import READS_PER_SECOND as REVIEWS
from millrace_scheduling.bootstrap import READS_PER_SECOND as SCHEDULING

GRANTED = 5.0
"""GetRecords calls a second and shard: Kinesis Data Streams, quotas and limits."""


def test_the_readers_of_entities_share_what_a_shard_grants() -> None:
    assert NOTIFICATIONS + PROJECTOR + REVIEWS + SCHEDULING <= GRANTED
