"""Commands on insurance plans."""

from directory.insurance_plan.model import InsurancePlan
from directory.service import Service
from millrace_contracts import entities


class InsurancePlanService(Service[InsurancePlan, entities.InsurancePlan]):
    """A plan refers to nothing stored, and is taken from those who accept it when it is deleted."""
