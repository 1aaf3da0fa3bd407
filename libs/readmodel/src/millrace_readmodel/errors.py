"""What writers of the read model raise."""


class ContentionError(Exception):
    """Other writers were faster every time; trying again later will do."""
