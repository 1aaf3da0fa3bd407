#!/bin/bash
# Create a database for each service that needs one, and a role without access to the others. Can be repeated; a changed
# password is updated.
set -euo pipefail

psql=(psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --host postgres --username postgres --dbname postgres)
"${psql[@]}" --command 'REVOKE ALL ON DATABASE postgres FROM PUBLIC'
for service in directory patients scheduling reviews notifications; do
  password=${service^^}_PASSWORD
  "${psql[@]}" --set "service=$service" --set "password=${!password}" <<'SQL'
SELECT format('CREATE ROLE %I', :'service') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" LOGIN PASSWORD :'password';
SELECT format('CREATE DATABASE %1$I OWNER %1$I', :'service')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
