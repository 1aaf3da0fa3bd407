"""REST for insurance cards."""

from millrace_patients.insurance_card.schemas import InsuranceCardBody, InsuranceCardList, InsuranceCardResource
from millrace_patients.record.endpoints import record_routes

router = record_routes(
    "insurance-cards",
    one="an insurance card",
    many="insurance cards",
    records=lambda patients: patients.insurance_cards,
    body=InsuranceCardBody,
    resource=InsuranceCardResource,
    listed=InsuranceCardList,
)
