"""Insurance plans in the database."""

from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.insurance_plan.tables import insurance_plan
from millrace_directory.repository import Repository

insurance_plans = Repository(insurance_plan, InsurancePlan)
