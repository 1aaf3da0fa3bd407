"""The consumers of a feed share the five reads per second of a Kinesis shard."""

from millrace_directory.bootstrap import READS_PER_SECOND as DIRECTORY
from millrace_notifications.bootstrap import READS_PER_SECOND as NOTIFICATIONS
from millrace_patients.bootstrap import READS_PER_SECOND as PATIENTS
from millrace_projector.bootstrap import READS_PER_SECOND as PROJECTOR
from millrace_reviews.bootstrap import READS_PER_SECOND as REVIEWS
from millrace_scheduling.bootstrap import READS_PER_SECOND as SCHEDULING

GRANTED = 5.0
"""GetRecords calls per second and shard; source: Kinesis Data Streams, quotas and limits."""


def test_consumers_of_entities_stay_within_the_read_limit() -> None:
    assert DIRECTORY + NOTIFICATIONS + PATIENTS + PROJECTOR + REVIEWS + SCHEDULING <= GRANTED
