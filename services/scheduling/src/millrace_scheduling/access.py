"""Who may see and change what belongs to a place."""

from millrace_platform.authentication import Principal, Role
from millrace_scheduling.place.model import Place


def keeps(caller: Principal, place: Place) -> bool:
    """Whether the caller is staff of the place's practice, or an admin. A place without a practice has no staff."""
    if caller.has(Role.ADMIN):
        return True
    return caller.has(Role.STAFF) and place.practice_id is not None and str(place.practice_id) in caller.practices
