"""Insurance plans in the database."""

from directory.insurance_plan.model import InsurancePlan
from directory.insurance_plan.tables import insurance_plan
from directory.repository import Repository

insurance_plans = Repository(insurance_plan, InsurancePlan)
