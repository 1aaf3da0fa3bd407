#!/usr/bin/env bash
# Replace services by their newest image, one after the other, without failed requests: compose/roll.sh [SERVICE...]
#
# A second container is started and becomes healthy before the first is stopped. The first refuses new connections,
# finishes its requests and hands over its leases; meanwhile the load balancer tries the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Consumers before producers, as on ECS.
services=(refinery projector directory patients scheduling reviews notifications search)
(($# == 0)) || services=("$@")

for service in "${services[@]}"; do
  mapfile -t former < <(docker compose ps --quiet "$service")
  ((${#former[@]})) || { echo "$service is not running: start it with docker compose up --wait $service" >&2; exit 1; }
  echo "$service: starting"
  docker compose up --detach --wait --quiet-pull --no-deps --no-recreate --scale "$service=$((2 * ${#former[@]}))" "$service"
  echo "$service: stopping"
  docker stop "${former[@]}" >/dev/null
  docker rm "${former[@]}" >/dev/null
  echo "$service: replaced"
done
