"""SQL of the imports: staging tables for one transaction, and set-based steps from them into the directory's tables.

Each step first finds the rows that differ, so that it neither locks nor writes the others. `fan_out` documents the
order of row locks.
"""

from collections.abc import Iterable, Sequence

from millrace_directory.bulk_import.rows import AddressRow, LocationRow, PracticeRow, ProviderLocationRow, ProviderRow
from millrace_directory.fan_out import update_live


def columns(names: Iterable[str], table: str = "") -> str:
    """Return a comma-separated list of columns, e.g. `p.name, p.phone` for table `p`."""
    return ", ".join(f"{table}.{name}" if table else name for name in names)


def assignments(names: Iterable[str]) -> str:
    """Return SQL assignments for ON CONFLICT DO UPDATE, e.g. `name = excluded.name, phone = excluded.phone`."""
    return ", ".join(f"{name} = excluded.{name}" for name in names)


def staging_table(name: str, selected: str) -> str:
    """Return the DDL of a temporary table with the columns of the query `selected`; each commit empties the table."""
    return f"CREATE TEMP TABLE IF NOT EXISTS {name} ON COMMIT DELETE ROWS AS SELECT {selected} WITH NO DATA;\n"


def write_differing(table: str, names: Sequence[str]) -> str:
    """Return SQL that writes the rows of `staged_<table>` to a table, except those that are live with equal values.

    `names` are the columns, beginning with the key. The SQL returns the written keys, and if each row was `created`.
    """
    key, *values = names
    return f"""
WITH differing AS (
    SELECT s.*, t.{key} IS NULL OR t.deleted_at IS NOT NULL AS created
    FROM staged_{table} AS s LEFT JOIN {table} AS t ON t.{key} = s.{key}
    WHERE t.{key} IS NULL OR t.deleted_at IS NOT NULL
       OR ({columns(values, "t")}) IS DISTINCT FROM ({columns(values, "s")})
), written AS (
    INSERT INTO {table} AS t (version, {columns(names)})
    SELECT 1, {columns(names)} FROM differing ORDER BY {key}
    ON CONFLICT ({key}) DO UPDATE SET version = t.version + 1, {assignments(values)}, deleted_at = NULL
    RETURNING t.{key}
)
SELECT {key}, created FROM differing JOIN written USING ({key})
"""  # noqa: S608 # made of constants


STAGING = (
    staging_table("staged_practice", f"{columns(PracticeRow._fields)} FROM practice")
    + staging_table("staged_address", f"{columns(AddressRow._fields)} FROM imported_address")
    + staging_table("staged_location", f"{columns(LocationRow._fields)} FROM location")
    + staging_table("staged_provider", f"{columns(ProviderRow._fields)} FROM provider")
    + staging_table("staged_provider_location", f"{columns(ProviderLocationRow._fields)} FROM provider_location")
)

# New rows, which these queries don't find, are copied directly into the tables; the others are staged.
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

LIVE_PRACTICES = f"""
SELECT {columns(("id::text", *PracticeRow._fields[1:]))} FROM practice WHERE npi = ANY($1) AND deleted_at IS NULL
"""  # noqa: S608 # made of constants

# A practice is identified by its NPI: if REST created it, its id can differ from the one that an import derives.
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

# Of the organizations at an address one that has its primary address there runs the location, of several the one with
# the lowest NPI; the location gets its telephone number.
# OFFSET 0 prevents a plan without statistics that scans all practices for each location.
_BEST_PRACTICE = """LEFT JOIN LATERAL (
        SELECT p.id, coalesce(there.phone, p.phone) AS phone
        FROM (
            SELECT npi, source, phone FROM imported_address
            WHERE is_organization AND location_id = {location}.id OFFSET 0
        ) AS there
        CROSS JOIN LATERAL (
            SELECT id, phone FROM practice WHERE npi = there.npi AND deleted_at IS NULL OFFSET 0
        ) AS p
        ORDER BY there.source, there.npi LIMIT 1
    ) AS best ON true"""

# The address is the identity of a location: a live location doesn't change if a row spells its address differently.
WRITE_LOCATIONS = f"""
INSERT INTO location AS l (version, {columns(LocationRow._fields)}, practice_id, phone)
SELECT 1, {columns(LocationRow._fields, "s")}, best.id, best.phone
FROM staged_location AS s LEFT JOIN location AS known ON known.id = s.id
    {_BEST_PRACTICE.format(location="s")}
WHERE known.id IS NULL OR known.deleted_at IS NOT NULL
ORDER BY s.id
ON CONFLICT (id) DO UPDATE SET
    version = l.version + 1, {assignments((*LocationRow._fields[1:], "practice_id", "phone"))}, deleted_at = NULL
RETURNING id::text
"""  # noqa: S608 # made of constants

WRITE_PROVIDERS = write_differing("provider", ProviderRow._fields)

_DIFFERING_PROVIDER_LOCATIONS = """
    FROM staged_provider_location AS s
    LEFT JOIN provider_location AS p ON p.npi = s.npi AND p.location_id = s.location_id
    WHERE p.id IS NULL OR p.deleted_at IS NOT NULL OR p.is_pending
       OR (p.taxonomy, p.phone) IS DISTINCT FROM (s.taxonomy, s.phone)
"""

# A concurrent change of a location waits, then also changes the provider-locations that were written here.
LOCK_LOCATIONS = f"""
SELECT count(*) FROM (
    SELECT id FROM location
    WHERE id = ANY($1 || ARRAY(SELECT s.location_id {_DIFFERING_PROVIDER_LOCATIONS}))
    ORDER BY id FOR SHARE
) AS locked
"""  # noqa: S608 # made of constants

LOCATION_VALUES = """
SELECT l.id::text AS location_id, l.line1, l.line2, l.city, l.state, l.zip, l.practice_id, p.name AS practice_name
FROM location AS l LEFT JOIN practice AS p ON p.id = l.practice_id
WHERE l.id = ANY($1)
"""

# A restored provider-location has no plans: its former ones may be deleted. A pending one is confirmed by its address
# in the registry, which the provider states there.
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
        accepted_plan_years = CASE WHEN p.deleted_at IS NULL THEN p.accepted_plan_years ELSE '{{}}' END,
        is_pending = false, deleted_at = NULL
    RETURNING p.id
)
SELECT id, created FROM differing JOIN written USING (id)
"""  # noqa: S608 # made of constants

# $1: NPIs, $2: the sources whose addresses the staged ones replace.
LEAVE_ADDRESSES = """
DELETE FROM imported_address AS a
WHERE a.npi = ANY($1) AND a.source = ANY($2)
  AND NOT EXISTS (SELECT FROM staged_address AS s WHERE s.npi = a.npi AND s.location_id = a.location_id)
RETURNING a.npi, a.location_id::text
"""

LEAVE_PROVIDER_LOCATIONS = update_live(
    "provider_location",
    """id = ANY(ARRAY(
        SELECT p.id FROM unnest($1::text[], $2::uuid[]) AS former (npi, location_id)
        JOIN provider_location AS p ON p.npi = former.npi AND p.location_id = former.location_id))""",
    "deleted_at = $3",
)

# $1: NPIs, $2: as above. An address that another source named too keeps the lower source.
SAVE_ADDRESSES = """
INSERT INTO imported_address AS a (npi, location_id, is_organization, source, phone)
SELECT npi, location_id, is_organization, source, phone FROM (
    SELECT s.npi, s.location_id, s.is_organization, s.phone,
           CASE WHEN known.source = ANY($2) THEN s.source ELSE least(known.source, s.source) END AS source,
           known.npi IS NULL OR (known.is_organization, known.phone, known.source) IS DISTINCT FROM (
               s.is_organization, s.phone,
               CASE WHEN known.source = ANY($2) THEN s.source ELSE least(known.source, s.source) END
           ) AS differs
    FROM staged_address AS s
    LEFT JOIN imported_address AS known ON known.npi = s.npi AND known.location_id = s.location_id
    WHERE s.npi = ANY($1)
) AS staged
WHERE differs ORDER BY npi, location_id
ON CONFLICT (npi, location_id) DO UPDATE SET
    is_organization = excluded.is_organization, source = excluded.source, phone = excluded.phone
"""

# A practice that no file contained stays assigned, unless it is deleted.
ASSIGN_PRACTICES = f"""
WITH chosen AS (
    SELECT l.id, l.practice_id AS before, best.id AS practice_id, best.phone
    FROM location AS l
    LEFT JOIN practice AS now ON now.id = l.practice_id
    {_BEST_PRACTICE.format(location="l")}
    WHERE l.id = ANY($1) AND l.deleted_at IS NULL
      AND (l.practice_id IS NULL OR now.deleted_at IS NOT NULL
           OR EXISTS (SELECT FROM imported_address AS a WHERE a.npi = now.npi AND a.is_organization))
      AND (l.practice_id, l.phone) IS DISTINCT FROM (best.id, best.phone)
      AND (l.practice_id IS NOT NULL OR best.id IS NOT NULL)
    ORDER BY l.id FOR NO KEY UPDATE OF l
)
UPDATE location AS l SET version = l.version + 1, practice_id = chosen.practice_id, phone = chosen.phone
FROM chosen WHERE l.id = chosen.id
RETURNING l.id, chosen.before IS DISTINCT FROM chosen.practice_id AS moved
"""  # noqa: S608 # made of constants

DELETE_PRACTICES = update_live("practice", "npi = ANY($1)", "deleted_at = $2")
LOCATIONS_OF_PRACTICES = "SELECT id::text FROM location WHERE practice_id = ANY($1) AND deleted_at IS NULL"
DELETE_PROVIDERS = update_live("provider", "npi = ANY($1)", "deleted_at = $2", key="npi")
DELETE_ADDRESSES = "DELETE FROM imported_address WHERE npi = ANY($1)"

# Without statistics the planner assumes that nearly all rows are tombstones, and scans the whole table. The columns in
# the conditions of the imports are enough: sorting names and addresses takes a long time.
ANALYZE = """
ANALYZE practice (id, npi, deleted_at), location (id, practice_id, deleted_at), provider (npi, deleted_at),
    provider_location (id, npi, location_id, deleted_at), insurance_plan (id, deleted_at), imported_address
"""
ANALYZED_ROWS = """
SELECT sum(reltuples)::bigint FROM pg_class
WHERE oid = ANY('{practice, location, provider, provider_location}'::regclass[])
"""
