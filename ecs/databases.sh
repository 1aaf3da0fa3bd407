#!/usr/bin/env bash
# Create a database and a role for each service on the environment's Aurora cluster, through the Data API. Can be
# repeated; also updates the roles' passwords from Secrets Manager.
set -euo pipefail

env=${1:-}
[[ $env =~ ^(dev|staging|prod)$ ]] || { echo "Usage: ecs/databases.sh dev|staging|prod [SERVICE...]" >&2; exit 2; }
shift
(($#)) || set -- directory scheduling patients reviews notifications
app=${MILLRACE_APP:-millrace}

exported() {
  aws cloudformation list-exports --output text --query "Exports[?Name=='$app-$env-$1'].Value" | grep . ||
    { echo "$app-$env-$1 is not exported by any stack: deploy data/database first" >&2; exit 1; }
}

cluster=$(exported DatabaseClusterArn)
admin=$(exported DatabaseAdminSecretArn)

# sql DATABASE STATEMENT
sql() {
  aws rds-data execute-statement --resource-arn "$cluster" --secret-arn "$admin" --database "$1" --sql "$2" \
    --output text --query 'records[0][0].longValue'
}

for service in "$@"; do
  # The password isn't quoted in the SQL below, so only letters and digits are accepted.
  password=$(aws secretsmanager get-secret-value --secret-id "$app/$env/$service/database-password" \
    --output text --query SecretString)
  [[ $password =~ ^[A-Za-z0-9]+$ ]] || { echo "$service: the password contains characters other than letters and digits: create a new one" >&2; exit 1; }
  if [[ $(sql postgres "SELECT count(*) FROM pg_roles WHERE rolname = '$service'") == 0 ]]; then
    sql postgres "CREATE ROLE $service LOGIN PASSWORD '$password' CONNECTION LIMIT 400" >/dev/null
    # Only a member of a role may create a database that the role owns.
    sql postgres "GRANT $service TO CURRENT_USER" >/dev/null
  else
    sql postgres "ALTER ROLE $service PASSWORD '$password'" >/dev/null
  fi
  if [[ $(sql postgres "SELECT count(*) FROM pg_database WHERE datname = '$service'") == 0 ]]; then
    sql postgres "CREATE DATABASE $service OWNER $service" >/dev/null
    sql postgres "REVOKE ALL ON DATABASE $service FROM PUBLIC" >/dev/null
  fi
  # The parameter group makes it log changes of the schema and of roles.
  sql "$service" "CREATE EXTENSION IF NOT EXISTS pgaudit" >/dev/null
  echo "$service: database and role exist"
done
