"""SQL of the QHP import. Each commit empties its staging tables, as it does those of `bulk_import`."""

from millrace_directory.bulk_import.statements import columns, staging_table, write_differing
from millrace_directory.qhp.records import PlanRow

STAGING = (
    staging_table("staged_insurance_plan", f"{columns(PlanRow._fields)} FROM insurance_plan")
    + """
CREATE TEMP TABLE IF NOT EXISTS staged_acceptance (
    npi text COLLATE "C", locations uuid[], plans text[], plan_years text[], new_patients_given boolean,
    new_patients boolean
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_languages (
    npi text COLLATE "C", languages text[]
) ON COMMIT DELETE ROWS;
"""
)

WRITE_PLANS = write_differing("insurance_plan", PlanRow._fields)

LOCK_PLANS = "SELECT id FROM insurance_plan WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR SHARE"

KNOWN_NPIS = """
SELECT npi, deleted_at IS NOT NULL AS deleted FROM provider WHERE npi = ANY($1)
UNION ALL
SELECT npi, deleted_at IS NOT NULL FROM practice WHERE npi = ANY($1)
"""

# Addresses ($1 NPIs, $2 location ids) that known providers and practices don't have. A provider-location that was
# deleted isn't missing: its provider left it, or the practice knows better than the file.
MISSING_PROVIDER_LOCATIONS = """
SELECT record.npi, record.location_id::text, provider.taxonomy
FROM unnest($1::text[], $2::uuid[]) AS record (npi, location_id)
JOIN provider ON provider.npi = record.npi AND provider.deleted_at IS NULL
LEFT JOIN provider_location AS known ON known.npi = record.npi AND known.location_id = record.location_id
WHERE known.id IS NULL
"""
MISSING_ADDRESSES = """
SELECT record.npi, record.location_id::text, practice.id::text
FROM unnest($1::text[], $2::uuid[]) AS record (npi, location_id)
JOIN practice ON practice.npi = record.npi AND practice.deleted_at IS NULL
LEFT JOIN imported_address AS known ON known.npi = record.npi AND known.location_id = record.location_id
WHERE known.npi IS NULL
"""
WRITE_LANGUAGES = """
UPDATE provider SET version = version + 1, languages = differing.languages
FROM (SELECT p.npi, s.languages FROM staged_languages AS s JOIN provider AS p ON p.npi = s.npi
      WHERE p.deleted_at IS NULL AND p.languages IS DISTINCT FROM s.languages
      ORDER BY p.npi FOR NO KEY UPDATE OF p) AS differing
WHERE provider.npi = differing.npi
RETURNING provider.npi
"""

# $1: the plans of the files; accepted plans of other issuers stay. If no location of a provider has an address of the
# record, the record applies to all of the provider's locations.
WRITE_ACCEPTANCE = """
WITH target AS (
    SELECT p.id, p.version,
           CASE WHEN s.new_patients_given THEN s.new_patients ELSE p.new_patients END AS new_patients,
           ARRAY(SELECT plan FROM (SELECT unnest(p.accepted_plans) UNION SELECT unnest(s.plans)) AS either (plan)
                 WHERE plan <> ALL($1) OR plan = ANY(s.plans) ORDER BY plan COLLATE "C") AS accepted_plans,
           ARRAY(SELECT each FROM (SELECT other FROM unnest(p.accepted_plan_years) AS other
                                   WHERE split_part(other, ':', 1) <> ALL($1 || s.plans)
                                   UNION SELECT unnest(s.plan_years)) AS either (each)
                 ORDER BY each COLLATE "C") AS accepted_plan_years
    FROM staged_acceptance AS s JOIN provider_location AS p ON p.npi = s.npi AND p.deleted_at IS NULL
    WHERE p.location_id = ANY(s.locations)
       OR NOT EXISTS (SELECT FROM provider_location AS o
                      WHERE o.npi = s.npi AND o.deleted_at IS NULL AND o.location_id = ANY(s.locations))
    ORDER BY p.id FOR NO KEY UPDATE OF p
)
UPDATE provider_location AS p
SET version = p.version + 1, new_patients = target.new_patients, accepted_plans = target.accepted_plans,
    accepted_plan_years = target.accepted_plan_years
FROM target
WHERE p.id = target.id
  AND (p.new_patients, p.accepted_plans, p.accepted_plan_years)
      IS DISTINCT FROM (target.new_patients, target.accepted_plans, target.accepted_plan_years)
RETURNING p.id
"""
