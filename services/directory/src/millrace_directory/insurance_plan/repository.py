"""Insurance plans in the database."""

from millrace_contracts.registry import INSURANCE_PLAN
from millrace_directory import tables
from millrace_directory.insurance_plan.model import InsurancePlan
from millrace_directory.repository import Repository
from millrace_directory.wire import Kind

INSURANCE_PLANS = Kind(INSURANCE_PLAN, tables.insurance_plan)
insurance_plans = Repository(INSURANCE_PLANS, InsurancePlan)
