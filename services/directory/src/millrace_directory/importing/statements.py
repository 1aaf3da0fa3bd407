"""The SQL of the importers: staging tables of one transaction, and set-based steps from them into the directory.

Each step first finds what differs, so that rows which stay as they are aren't locked or written. Row locks are taken in
the order that `directory.fan_out` gives.
"""

STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staged_practice (
    id uuid, npi text COLLATE "C", name text, phone text, location_id uuid
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_location (
    id uuid, line1 text, line2 text, city text, state text, zip text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_provider (
    npi text COLLATE "C", last_name text, first_name text, middle_name text, suffix text, credential text, sex text,
    taxonomy text, taxonomies text[]
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS staged_provider_location (
    id uuid, npi text COLLATE "C", location_id uuid, taxonomy text, phone text
) ON COMMIT DELETE ROWS;
"""

# What is told apart before anything is written: rows that are nowhere yet are copied straight into the tables.
KNOWN_PRACTICES = """
SELECT npi FROM practice WHERE npi = ANY($1)
UNION ALL SELECT id::text FROM practice WHERE id = ANY($2)
UNION ALL SELECT npi FROM imported_address WHERE npi = ANY($1)
"""
KNOWN_LOCATIONS = "SELECT id::text, deleted_at IS NULL AS live FROM location WHERE id = ANY($1)"
KNOWN_PROVIDERS = """
SELECT npi FROM provider WHERE npi = ANY($1)
UNION ALL SELECT npi FROM imported_address WHERE npi = ANY($1)
"""

# A practice is known by its NPI; one that came by REST may have another id than an import gives.
WRITE_PRACTICES = """
WITH differing AS (
    SELECT coalesce(p.id, s.id) AS id, s.npi, s.name, s.phone,
           p.id IS NULL OR p.deleted_at IS NOT NULL AS created,
           p.id IS NOT NULL AND p.name <> s.name AS renamed
    FROM staged_practice AS s LEFT JOIN practice AS p ON p.npi = s.npi
    WHERE p.id IS NULL OR p.deleted_at IS NOT NULL OR (p.name, p.phone) IS DISTINCT FROM (s.name, s.phone)
), written AS (
    INSERT INTO practice AS p (id, version, npi, name, phone)
    SELECT id, 1, npi, name, phone FROM differing ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        version = p.version + 1, npi = excluded.npi, name = excluded.name, phone = excluded.phone, deleted_at = NULL
    RETURNING p.id
)
SELECT id, created, renamed FROM differing JOIN written USING (id)
"""

# Of the organizations at an address the one with the lowest NPI has the location, and its telephone is the location's.
# OFFSET 0 keeps the planner from going through all practices for each location, as it does without statistics.
_BEST_PRACTICE = """LEFT JOIN LATERAL (
        SELECT p.id, p.phone
        FROM (SELECT npi FROM imported_address WHERE organization AND location_id = {location}.id OFFSET 0) AS there
        CROSS JOIN LATERAL (
            SELECT id, phone FROM practice WHERE npi = there.npi AND deleted_at IS NULL OFFSET 0
        ) AS p
        ORDER BY there.npi LIMIT 1
    ) AS best ON true"""

# The address is the identity: a location that is there stays as it is, however a row spells it.
WRITE_LOCATIONS = f"""
INSERT INTO location AS l (id, version, line1, line2, city, state, zip, practice_id, phone)
SELECT s.id, 1, s.line1, s.line2, s.city, s.state, s.zip, best.id, best.phone
FROM staged_location AS s LEFT JOIN location AS known ON known.id = s.id
    {_BEST_PRACTICE.format(location="s")}
WHERE known.id IS NULL OR known.deleted_at IS NOT NULL
ORDER BY s.id
ON CONFLICT (id) DO UPDATE SET
    version = l.version + 1, line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
    state = excluded.state, zip = excluded.zip, practice_id = excluded.practice_id, phone = excluded.phone,
    deleted_at = NULL
RETURNING id::text
"""  # noqa: S608 # made of constants

WRITE_PROVIDERS = """
WITH differing AS (
    SELECT s.*, p.npi IS NULL OR p.deleted_at IS NOT NULL AS created
    FROM staged_provider AS s LEFT JOIN provider AS p ON p.npi = s.npi
    WHERE p.npi IS NULL OR p.deleted_at IS NOT NULL
       OR (p.last_name, p.first_name, p.middle_name, p.suffix, p.credential, p.sex, p.taxonomy, p.taxonomies)
          IS DISTINCT FROM
          (s.last_name, s.first_name, s.middle_name, s.suffix, s.credential, s.sex, s.taxonomy, s.taxonomies)
), written AS (
    INSERT INTO provider AS p
        (npi, version, last_name, first_name, middle_name, suffix, credential, sex, taxonomy, taxonomies)
    SELECT npi, 1, last_name, first_name, middle_name, suffix, credential, sex, taxonomy, taxonomies
    FROM differing ORDER BY npi
    ON CONFLICT (npi) DO UPDATE SET
        version = p.version + 1, last_name = excluded.last_name, first_name = excluded.first_name,
        middle_name = excluded.middle_name, suffix = excluded.suffix, credential = excluded.credential,
        sex = excluded.sex, taxonomy = excluded.taxonomy, taxonomies = excluded.taxonomies, deleted_at = NULL
    RETURNING p.npi
)
SELECT npi, created FROM differing JOIN written USING (npi)
"""

_DIFFERING_PROVIDER_LOCATIONS = """
    FROM staged_provider_location AS s
    LEFT JOIN provider_location AS p ON p.npi = s.npi AND p.location_id = s.location_id
    WHERE p.id IS NULL OR p.deleted_at IS NOT NULL OR (p.taxonomy, p.phone) IS DISTINCT FROM (s.taxonomy, s.phone)
"""

# A place that changes meanwhile waits, then sees what was written here and carries it along.
LOCK_LOCATIONS = f"""
SELECT count(*) FROM (
    SELECT id FROM location
    WHERE id = ANY($1 || ARRAY(SELECT s.location_id {_DIFFERING_PROVIDER_LOCATIONS}))
    ORDER BY id FOR SHARE
) AS locked
"""  # noqa: S608 # made of constants

PLACES = """
SELECT l.id::text AS location_id, l.line1, l.line2, l.city, l.state, l.zip, l.practice_id, p.name AS practice_name
FROM location AS l LEFT JOIN practice AS p ON p.id = l.practice_id
WHERE l.id = ANY($1)
"""

# What comes back starts without plans: those it had may be gone by now.
WRITE_PROVIDER_LOCATIONS = f"""
WITH differing AS (
    SELECT coalesce(p.id, s.id) AS id, s.npi, s.location_id, s.taxonomy, s.phone,
           p.id IS NULL OR p.deleted_at IS NOT NULL AS created
    {_DIFFERING_PROVIDER_LOCATIONS}
), written AS (
    INSERT INTO provider_location AS p (id, version, npi, location_id, taxonomy, phone)
    SELECT id, 1, npi, location_id, taxonomy, phone FROM differing ORDER BY id
    ON CONFLICT (npi, location_id) DO UPDATE SET
        version = p.version + 1, taxonomy = excluded.taxonomy, phone = excluded.phone,
        new_patients = CASE WHEN p.deleted_at IS NULL THEN p.new_patients END,
        accepted_plans = CASE WHEN p.deleted_at IS NULL THEN p.accepted_plans ELSE '{{}}' END,
        deleted_at = NULL
    RETURNING p.id
)
SELECT id, created FROM differing JOIN written USING (id)
"""  # noqa: S608 # made of constants

MOVED_ORGANIZATIONS = """
SELECT a.location_id::text FROM staged_practice AS s JOIN imported_address AS a ON a.npi = s.npi
WHERE a.location_id <> s.location_id
"""

LEAVE_OLD_ADDRESSES = """
UPDATE provider_location SET version = version + 1, deleted_at = $1
FROM (SELECT id FROM provider_location
      WHERE deleted_at IS NULL AND id = ANY(ARRAY(
          SELECT p.id FROM staged_provider_location AS s
          JOIN imported_address AS a ON a.npi = s.npi AND a.location_id <> s.location_id
          JOIN provider_location AS p ON p.npi = a.npi AND p.location_id = a.location_id))
      ORDER BY id FOR NO KEY UPDATE) AS left_behind
WHERE provider_location.id = left_behind.id
RETURNING provider_location.id
"""

_REMEMBER = """
INSERT INTO imported_address AS a (npi, location_id, organization)
SELECT s.npi, s.location_id, {organization}
FROM {staged} AS s LEFT JOIN imported_address AS known ON known.npi = s.npi
WHERE known.npi IS NULL OR known.location_id <> s.location_id
ORDER BY s.npi
ON CONFLICT (npi) DO UPDATE SET location_id = excluded.location_id
"""
REMEMBER_ORGANIZATIONS = _REMEMBER.format(organization="true", staged="staged_practice")
REMEMBER_INDIVIDUALS = _REMEMBER.format(organization="false", staged="staged_provider_location")

# A practice that someone else assigned stays, unless it is gone or is one that a file gave as well.
ASSIGN_PRACTICES = f"""
WITH chosen AS (
    SELECT l.id, l.practice_id AS before, best.id AS practice_id, best.phone
    FROM location AS l
    LEFT JOIN practice AS now ON now.id = l.practice_id
    {_BEST_PRACTICE.format(location="l")}
    WHERE l.id = ANY($1) AND l.deleted_at IS NULL
      AND (l.practice_id IS NULL OR now.deleted_at IS NOT NULL
           OR EXISTS (SELECT FROM imported_address AS a WHERE a.npi = now.npi AND a.organization))
      AND (l.practice_id, l.phone) IS DISTINCT FROM (best.id, best.phone)
      AND (l.practice_id IS NOT NULL OR best.id IS NOT NULL)
    ORDER BY l.id FOR NO KEY UPDATE OF l
)
UPDATE location AS l SET version = l.version + 1, practice_id = chosen.practice_id, phone = chosen.phone
FROM chosen WHERE l.id = chosen.id
RETURNING l.id, chosen.before IS DISTINCT FROM chosen.practice_id AS moved
"""  # noqa: S608 # made of constants

DELETE_PRACTICES = """
UPDATE practice SET version = version + 1, deleted_at = $2
FROM (SELECT id FROM practice WHERE npi = ANY($1) AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE) AS live
WHERE practice.id = live.id
RETURNING practice.id
"""

LOCATIONS_OF_PRACTICES = "SELECT id::text FROM location WHERE practice_id = ANY($1) AND deleted_at IS NULL"

DELETE_PROVIDERS = """
UPDATE provider SET version = version + 1, deleted_at = $2
FROM (SELECT npi FROM provider WHERE npi = ANY($1) AND deleted_at IS NULL ORDER BY npi FOR NO KEY UPDATE) AS live
WHERE provider.npi = live.npi
RETURNING provider.npi
"""

# The planner takes a table without statistics for one whose rows are nearly all tombstones, and goes through all of it.
# What the importers' conditions speak of is enough: it is the names and addresses that take long to sort.
ANALYZE = """
ANALYZE practice (id, npi, deleted_at), location (id, practice_id, deleted_at), provider (npi, deleted_at),
    provider_location (id, npi, location_id, deleted_at), insurance_plan (id, deleted_at), imported_address
"""
ANALYZED_ROWS = """
SELECT sum(reltuples)::bigint FROM pg_class
WHERE oid = ANY('{practice, location, provider, provider_location}'::regclass[])
"""

FORGET_ADDRESSES = "DELETE FROM imported_address WHERE npi = ANY($1)"
