"""The SQL of the QHP import; its staging tables, like those in `statements`, last for one transaction."""

STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staged_plan (
    id text COLLATE "C", name text, issuer text, years smallint[], network_tiers text[]
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_acceptance (
    npi text COLLATE "C", locations uuid[], plans text[], says_accepting boolean, accepting boolean
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_languages (
    npi text COLLATE "C", languages text[]
) ON COMMIT DELETE ROWS;
"""

WRITE_PLANS = """
WITH differing AS (
    SELECT s.*, p.id IS NULL OR p.deleted_at IS NOT NULL AS created
    FROM staged_plan AS s LEFT JOIN insurance_plan AS p ON p.id = s.id
    WHERE p.id IS NULL OR p.deleted_at IS NOT NULL
       OR (p.name, p.issuer, p.years, p.network_tiers) IS DISTINCT FROM (s.name, s.issuer, s.years, s.network_tiers)
), written AS (
    INSERT INTO insurance_plan AS p (id, version, name, issuer, years, network_tiers)
    SELECT id, 1, name, issuer, years, network_tiers FROM differing ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        version = p.version + 1, name = excluded.name, issuer = excluded.issuer, years = excluded.years,
        network_tiers = excluded.network_tiers, deleted_at = NULL
    RETURNING p.id
)
SELECT id, created FROM differing JOIN written USING (id)
"""

LOCK_PLANS = "SELECT id FROM insurance_plan WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR SHARE"

KNOWN = """
SELECT npi, deleted_at IS NOT NULL AS deleted FROM provider WHERE npi = ANY($1)
UNION ALL
SELECT npi, deleted_at IS NOT NULL FROM practice WHERE npi = ANY($1)
"""

WRITE_LANGUAGES = """
UPDATE provider SET version = version + 1, languages = differing.languages
FROM (SELECT p.npi, s.languages FROM staged_languages AS s JOIN provider AS p ON p.npi = s.npi
      WHERE p.deleted_at IS NULL AND p.languages IS DISTINCT FROM s.languages
      ORDER BY p.npi FOR NO KEY UPDATE OF p) AS differing
WHERE provider.npi = differing.npi
RETURNING provider.npi
"""

# The files speak for their own plans only ($1): those of other issuers stay. Where no location of a provider has an
# address of the file, the record is about all of them.
WRITE_ACCEPTANCE = """
WITH target AS (
    SELECT p.id, p.version,
           CASE WHEN s.says_accepting THEN s.accepting ELSE p.new_patients END AS new_patients,
           ARRAY(SELECT plan FROM (SELECT unnest(p.accepted_plans) UNION SELECT unnest(s.plans)) AS either (plan)
                 WHERE plan <> ALL($1) OR plan = ANY(s.plans) ORDER BY plan COLLATE "C") AS accepted_plans
    FROM staged_acceptance AS s JOIN provider_location AS p ON p.npi = s.npi AND p.deleted_at IS NULL
    WHERE p.location_id = ANY(s.locations)
       OR NOT EXISTS (SELECT FROM provider_location AS o
                      WHERE o.npi = s.npi AND o.deleted_at IS NULL AND o.location_id = ANY(s.locations))
    ORDER BY p.id FOR NO KEY UPDATE OF p
)
UPDATE provider_location AS p
SET version = p.version + 1, new_patients = target.new_patients, accepted_plans = target.accepted_plans
FROM target
WHERE p.id = target.id
  AND (p.new_patients, p.accepted_plans) IS DISTINCT FROM (target.new_patients, target.accepted_plans)
RETURNING p.id
"""
