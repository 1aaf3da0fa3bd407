"""Commands on insurance plans."""

from millrace_contracts import entities
from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.service import Service


class InsurancePlanService(Service[InsurancePlan, entities.InsurancePlan]):
    """A plan refers to nothing stored, and is taken from those who accept it when it is deleted."""
