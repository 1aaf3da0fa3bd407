"""Define fictitious insurance plans by state and issuer, and draw the plans that practices accept."""

from dataclasses import dataclass
from random import Random

YEARS = (2026, 2027)

_LARGE = ("CA", "TX", "FL", "NY", "PA", "IL", "OH", "GA", "NC", "MI", "NJ", "VA")
_STATES = """
AK AL AR AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY OH OK OR PA
PR RI SC SD TN TX UT VA VI VT WA WI WV WY
"""
_METALS = ("GOLD", "SILVER", "BRONZE", "SILVER")
_SINGLE_PLAN = 0.08


@dataclass(frozen=True, slots=True)
class Issuer:
    """A fictitious insurer, active in large states or `everywhere`. `reach`: share of practices in its network."""

    name: str
    number: int
    product: str
    reach: float
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A fictitious plan. `id` has the form of a HIOS id: issuer (5 digits), state, product and component (7 digits)."""

    id: str
    name: str
    tier: str


ISSUERS = (
    Issuer("Alder Health", 90_100, "PPO", 0.78, everywhere=True),
    Issuer("Northlight Health Plan", 90_200, "HMO", 0.6),
    Issuer("Cedarline Insurance", 90_300, "EPO", 0.5),
    Issuer("Summit Peak Care", 90_400, "HMO", 0.35),
)


def plans_in(state: str) -> tuple[tuple[Issuer, Plan], ...]:
    """Return the plans sold in a state with their issuers, the one with the widest network first."""
    sellers = (issuer for issuer in ISSUERS if issuer.everywhere or state in _LARGE)
    return tuple((issuer, _plan(issuer, metal, state)) for issuer, metal in zip(sellers, _METALS, strict=False))


def all_plans() -> tuple[Plan, ...]:
    """Return the plans of all states."""
    return tuple(plan for state in _STATES.split() for _, plan in plans_in(state))


def draw_plans_of_practice(random: Random, state: str) -> tuple[Plan, ...]:
    """Return the plans that a practice accepts: of each issuer in its state with the probability `reach`."""
    return tuple(plan for issuer, plan in plans_in(state) if random.random() < issuer.reach)


def draw_plans_of_person(random: Random, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    """Return the plans that a person accepts: those of the practice, or sometimes (8 %) only its first one."""
    return plans[:1] if random.random() < _SINGLE_PLAN else plans


def _plan(issuer: Issuer, metal: str, state: str) -> Plan:
    return Plan(
        id=f"{issuer.number}{state}0010001",
        name=f"{issuer.name} {metal.title()} {issuer.product} {state}",
        tier="PREFERRED",
    )
