#!/bin/bash
# Runs once, on a new volume: a database for each service that has one, and a role that reaches no other.
set -euo pipefail

for service in directory patients scheduling reviews notifications; do
  password=${service^^}_PASSWORD
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set "service=$service" --set "password=${!password}" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --command 'REVOKE ALL ON DATABASE postgres FROM PUBLIC'
