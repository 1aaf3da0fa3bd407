#!/usr/bin/env bash
# A database and a role for each service on the environment's Aurora cluster, through the Data API; may be repeated.
# The passwords are those in Secrets Manager, so this is also how a new one is made known to the database.
set -euo pipefail

env=${1:-}
[[ $env =~ ^(dev|staging|prod)$ ]] || { echo "Usage: ecs/databases.sh dev|staging|prod [SERVICE...]" >&2; exit 2; }
shift
(($#)) || set -- directory scheduling patients reviews notifications
app=${MILLRACE_APP:-millrace}

exported() {
  aws cloudformation list-exports --output text --query "Exports[?Name=='$app-$env-$1'].Value" | grep . ||
    { echo "$app-$env-$1 is exported by no stack" >&2; exit 1; }
}

cluster=$(exported DatabaseClusterArn)
admin=$(exported DatabaseAdminSecretArn)

# sql DATABASE STATEMENT
sql() {
  aws rds-data execute-statement --resource-arn "$cluster" --secret-arn "$admin" --database "$1" --sql "$2" \
    --output text --query 'records[0][0].longValue'
}

for service in "$@"; do
  # Letters and digits only: nothing in it needs quoting.
  password=$(aws secretsmanager get-secret-value --secret-id "$app/$env/$service/database-password" \
    --output text --query SecretString)
  [[ $password =~ ^[A-Za-z0-9]+$ ]] || { echo "$service: the password has other characters than letters and digits" >&2; exit 1; }
  if [[ $(sql postgres "SELECT count(*) FROM pg_roles WHERE rolname = '$service'") == 0 ]]; then
    sql postgres "CREATE ROLE $service LOGIN PASSWORD '$password' CONNECTION LIMIT 400" >/dev/null
    # Who makes a database for another role must be a member of it.
    sql postgres "GRANT $service TO CURRENT_USER" >/dev/null
  else
    sql postgres "ALTER ROLE $service PASSWORD '$password'" >/dev/null
  fi
  if [[ $(sql postgres "SELECT count(*) FROM pg_database WHERE datname = '$service'") == 0 ]]; then
    sql postgres "CREATE DATABASE $service OWNER $service" >/dev/null
    sql postgres "REVOKE ALL ON DATABASE $service FROM PUBLIC" >/dev/null
  fi
  echo "$service: database and role are there"
done
