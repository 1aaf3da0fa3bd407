"""ministack with a repair of its Kinesis: a script for the Python of ministack's own environment.

For each GetRecords ministack copies all records of the stream in order to drop the expired ones, so that reading gets
slower with all that was ever written. Records lie in the order of their arrival: unless the first one is expired, none
is.
"""

import time
from typing import Any

from ministack.app import main
from ministack.services import kinesis

drop_expired = kinesis._expire_records


def expire_records(stream: dict[str, Any]) -> None:
    """Drop expired records if there are any."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    shards = stream["shards"].values()
    if any(shard["records"] and shard["records"][0]["ApproximateArrivalTimestamp"] < oldest for shard in shards):
        drop_expired(stream)


kinesis._expire_records = expire_records

if __name__ == "__main__":
    main()
