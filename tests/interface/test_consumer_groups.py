"""`millrace feeds` knows every service that consumes a stream."""

from importlib import import_module

from millrace_feeds.cli import consumer_groups
from millrace_local.routes import SERVICES


def test_every_consuming_service_is_a_consumer_group() -> None:
    bootstraps = [import_module(f"millrace_{service}.bootstrap") for service in SERVICES]
    consuming = {bootstrap.APPLICATION for bootstrap in bootstraps if hasattr(bootstrap, "APPLICATION")}
    assert {group.application for group in consumer_groups()} == consuming
