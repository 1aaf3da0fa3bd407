"""Insurance plans by state and issuer, and which of them practices accept."""

from dataclasses import dataclass
from random import Random

YEARS = (2026, 2027)

_LARGE = ("CA", "TX", "FL", "NY", "PA", "IL", "OH", "GA", "NC", "MI", "NJ", "VA")
_STATES = """
AK AL AR AZ CA CO CT DC DE FL GA GU HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY OH OK OR PA
PR RI SC SD TN TX UT VA VI VT WA WI WV WY
"""
_METALS = ("GOLD", "SILVER", "BRONZE", "SILVER")
_ONE_PLAN_ONLY = 0.08


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer; `reach` is the share of practices in its network, and it sells in large states only or in all."""

    name: str
    number: int
    product: str
    reach: float
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`id` has the form of a HIOS plan id: issuer (5 digits), state, product and component (7 digits)."""

    id: str
    name: str
    tier: str


ISSUERS = (
    Issuer("Alder Health", 90_100, "PPO", 0.78, everywhere=True),
    Issuer("Northlight Health Plan", 90_200, "HMO", 0.6),
    Issuer("Cedarline Insurance", 90_300, "EPO", 0.5),
    Issuer("Summit Peak Care", 90_400, "HMO", 0.35),
)


def plans_of(state: str) -> tuple[tuple[Issuer, Plan], ...]:
    """The plans that are sold in a state, the widest network first."""
    sellers = (issuer for issuer in ISSUERS if issuer.everywhere or state in _LARGE)
    return tuple((issuer, _plan(issuer, metal, state)) for issuer, metal in zip(sellers, _METALS, strict=False))


def all_plans() -> tuple[Plan, ...]:
    """The plans of all states."""
    return tuple(plan for state in _STATES.split() for _, plan in plans_of(state))


def accepted_by_practice(random: Random, state: str) -> tuple[Plan, ...]:
    """The networks that a practice is in: few different sets in a state."""
    return tuple(plan for issuer, plan in plans_of(state) if random.random() < issuer.reach)


def accepted_by_person(random: Random, plans: tuple[Plan, ...]) -> tuple[Plan, ...]:
    """Nearly always those of the practice; some people are in its first network only."""
    return plans[:1] if random.random() < _ONE_PLAN_ONLY else plans


def _plan(issuer: Issuer, metal: str, state: str) -> Plan:
    return Plan(
        id=f"{issuer.number}{state}0010001",
        name=f"{issuer.name} {metal.title()} {issuer.product} {state}",
        tier="PREFERRED",
    )
