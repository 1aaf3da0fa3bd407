#!/usr/bin/env bash
# Make a certificate for each service and store it in Secrets Manager. Can be repeated: certificates are replaced from 30
# days before their end on, and with --renew at once. Running tasks are replaced stage by stage, callers before the
# services that they call, so that a caller trusts a new authority before it meets a certificate of it.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")"

env=${1:-}
[[ $env =~ ^(dev|staging|prod)$ && (-z ${2:-} || ${2:-} == --renew) && $# -le 2 ]] ||
  { echo "Usage: ecs/certificates.sh dev|staging|prod [--renew]" >&2; exit 2; }
renew=${2:-}
app=${MILLRACE_APP:-millrace}
bin=${MILLRACE_BIN:-../.venv/bin}

# scheduling and notifications call patients, which calls directory.
STAGES=("scheduling notifications reviews search refinery projector" patients directory)

[[ -x $bin/millrace ]] || { echo "$bin/millrace doesn't exist: run make install" >&2; exit 1; }
umask 077
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# Convert between the secrets of all services, <service>.json and <service>.new, and the files of `millrace certificates`.
convert='
import json, pathlib, sys
way, directory, *services = sys.argv[1:]
folder = pathlib.Path(directory)
for service in services:
    files = {"certificate": folder / f"{service}.pem", "key": folder / f"{service}-key.pem", "ca": folder / "ca.pem"}
    if way == "pack":
        value = json.dumps({name: file.read_text() for name, file in files.items()})
        folder.joinpath(f"{service}.new").write_text(value)
    elif value := folder.joinpath(f"{service}.json").read_text():
        for name, text in json.loads(value).items():
            files[name].write_text(text)
'

# Print the value of a secret; nothing if it has none. Fail for any other reason.
stored() {
  local value
  if value=$(aws secretsmanager get-secret-value --secret-id "$app/$env/$1/tls" --output text --query SecretString 2>"$made/error"); then
    printf '%s' "$value"
  elif ! grep -q "can't find the specified secret value" "$made/error"; then
    cat "$made/error" >&2
    echo "$app/$env/$1/tls can't be read: deploy data/certificates first" >&2
    return 1
  fi
}

# Print cluster and name of each ECS service of ours: of ecs/, and of Copilot.
running() {
  local cluster clusters arn arns
  clusters=$(aws cloudformation list-exports --output text \
    --query "Exports[?Name=='$app-$env-ClusterName' || Name=='$app-$env-ClusterId'].Value")
  for cluster in $clusters; do
    arns=$(aws ecs list-services --cluster "$cluster" --output text --query 'serviceArns[]')
    for arn in $arns; do
      if [[ $arn == */"$1" || $arn == */"$app-$env-$1-Service-"* ]]; then printf '%s %s\n' "$cluster" "${arn##*/}"; fi
    done
  done
}

# Wait until the replacement of a service's tasks is complete; a canary deployment takes longer than one wait.
settle() {
  local attempt
  for attempt in 1 2 3 4; do
    if aws ecs wait services-stable --cluster "$1" --services "$2"; then
      echo "$2: tasks are replaced"
      return
    fi
    echo "    $2 is not stable after wait $attempt of 4" >&2
  done
  echo "$2 doesn't become stable: see its events, then run this again with --renew" >&2
  return 1
}

services=()
names=()
# In reverse, because ca.pem is the last one's: the first stage knows the authorities of an unfinished renewal.
for ((stage = ${#STAGES[@]} - 1; stage >= 0; stage--)); do
  for service in ${STAGES[stage]}; do
    stored "$service" >"$made/$service.json"
    services+=("$service")
    names+=(--names "$service=$service.$env.$app.local")
  done
done
"$bin/python" -c "$convert" unpack "$made" "${services[@]}"
"$bin/millrace" certificates "$made" "${names[@]}" ${renew:+"$renew"} | sed "s|$made|Secrets Manager|"
"$bin/python" -c "$convert" pack "$made" "${services[@]}"

for stage in "${STAGES[@]}"; do
  replaced=
  for service in $stage; do
    if cmp -s "$made/$service.new" "$made/$service.json"; then continue; fi
    aws secretsmanager put-secret-value --secret-id "$app/$env/$service/tls" --secret-string "file://$made/$service.new" >/dev/null
    echo "$service: stored"
    # Tasks without a certificate get theirs when their service is deployed.
    if [[ -s $made/$service.json ]]; then
      found=$(running "$service")
      replaced+=${found:+$found$'\n'}
    fi
  done
  while read -r cluster name; do
    if [[ -n $name ]]; then
      aws ecs update-service --cluster "$cluster" --service "$name" --force-new-deployment >/dev/null </dev/null
    fi
  done <<<"$replaced"
  while read -r cluster name; do
    if [[ -n $name ]]; then settle "$cluster" "$name" </dev/null; fi
  done <<<"$replaced"
done
