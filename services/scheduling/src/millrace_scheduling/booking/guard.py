"""How time is taken, so that nobody takes what somebody has."""

from dataclasses import dataclass

from millrace_scheduling.claim.repository import Take, take
from millrace_scheduling.hold import repository as holds
from millrace_scheduling.hold.repository import TakeHold


@dataclass(frozen=True, slots=True)
class Guard:
    """`take` is how moves and offers take it, `hold` how holds do. Tests of the guard have one that guards nothing."""

    take: Take = take
    hold: TakeHold = holds.take
