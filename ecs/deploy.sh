#!/usr/bin/env bash
# Deploy Millrace with CloudFormation: create one change set per stack, show it, execute it and wait until it is done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat >&2 <<'TEXT'
Usage: ecs/deploy.sh [--dry-run] [--yes] ENV [PART...]

ENV     dev, staging or prod
PART    network, data, platform, access, databases, certificates, services, or one of these:
        data/<name>, access/<service>, services/<service>. Without PART: all, in this order.
        adopt replaces network, data, access, databases and certificates beside Copilot: see
        docs/how-to/migrate-from-copilot.md

--dry-run   print the stacks, templates and parameters without calling AWS
--yes       execute change sets without asking

Environment variables:
  MILLRACE_APP              name of the application (millrace)
  MILLRACE_DOMAIN           domain name of the load balancer (services)
  MILLRACE_CERTIFICATE_ARN  ARN of an ACM certificate for the domain (platform)
  MILLRACE_IMAGES           registry and prefix, e.g. 123456789012.dkr.ecr.us-east-1.amazonaws.com/millrace (services)
  MILLRACE_TAG              tag of the images (services)
TEXT
  exit 2
}

DATA=(streams tables audit database cache certificates identity telemetry alarms service-alarms dashboard firewall)
# Consumers before producers, so that each new record has a reader.
SERVICES=(refinery projector directory patients scheduling reviews notifications search)
IN_NETWORK=" database cache "
# Tags of the sidecars' images, which docs/how-to/deploy-with-ecs.md copies into own repositories.
COLLECTOR=v0.49.0
ROUTER=3.4.12

dry_run=false
yes=false
while [[ ${1:-} == --* ]]; do
  case $1 in
    --dry-run) dry_run=true ;;
    --yes) yes=true ;;
    *) usage ;;
  esac
  shift
done
env=${1:-}
[[ $env =~ ^(dev|staging|prod)$ ]] || usage
shift
app=${MILLRACE_APP:-millrace}

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
needed() { [[ -n ${!1:-} ]] || fail "$1 is not set: $2"; }

# Print a value that another stack exports.
exported() {
  if $dry_run; then
    printf '<%s-%s-%s>' "$app" "$env" "$1"
    return
  fi
  aws cloudformation list-exports --output text --query "Exports[?Name=='$app-$env-$1'].Value" | grep . ||
    fail "$app-$env-$1 is not exported by any stack: deploy the earlier parts first"
}

# deploy STACK TEMPLATE [Key=Value...]
deploy() {
  # Not Copilot's stack names, because Copilot's stacks may exist too.
  local stack=$app-$env-ecs-$1 template=$2
  shift 2
  local parameters=("ParameterKey=App,ParameterValue=$app" "ParameterKey=Env,ParameterValue=$env") pair
  # The AWS CLI separates parameters at commas, so commas within a value are escaped.
  for pair in "$@"; do parameters+=("ParameterKey=${pair%%=*},ParameterValue=${pair#*=}"); done
  parameters=("${parameters[@]//,subnet-/\\,subnet-}")
  say "stack $stack from ecs/$template"
  if $dry_run; then
    printf '    %s\n' "App=$app" "Env=$env" "$@"
    return
  fi
  local type=UPDATE status
  status=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query 'Stacks[0].StackStatus' 2>/dev/null) || type=CREATE
  [[ $status != REVIEW_IN_PROGRESS ]] || type=CREATE
  local change=deploy-$(date -u +%Y%m%d%H%M%S)
  aws cloudformation create-change-set --stack-name "$stack" --change-set-name "$change" --change-set-type "$type" \
    --template-body "file://$template" --parameters "${parameters[@]}" \
    --capabilities CAPABILITY_IAM CAPABILITY_NAMED_IAM \
    --tags "Key=copilot-application,Value=$app" "Key=copilot-environment,Value=$env" >/dev/null
  if ! aws cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$change" 2>/dev/null; then
    local reason
    reason=$(aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" \
      --output text --query StatusReason)
    aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change"
    [[ $reason == *"didn't contain changes"* || $reason == *"No updates"* ]] || fail "$stack: $reason"
    say "    no changes"
    return
  fi
  aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" --output text \
    --query 'Changes[].ResourceChange.[Action,Replacement,LogicalResourceId,ResourceType]' | sed 's/^/    /'
  if ! $yes; then
    read -rp "    Execute? [y/N] " answer
    [[ $answer == y ]] || { aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change"; return; }
  fi
  aws cloudformation execute-change-set --stack-name "$stack" --change-set-name "$change"
  aws cloudformation wait "stack-${type,,}-complete" --stack-name "$stack" || {
    aws cloudformation describe-stack-events --stack-name "$stack" --output text --max-items 20 \
      --query "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId,ResourceStatusReason]" >&2
    fail "$stack was rolled back"
  }
}

network() {
  deploy network network.yml "S3PrefixList=$(prefix_list s3)" "DynamoDbPrefixList=$(prefix_list dynamodb)"
}

# Print the ID of the list of an AWS service's addresses in the region.
prefix_list() {
  if $dry_run; then
    printf '<prefix list of %s>' "$1"
    return
  fi
  aws ec2 describe-managed-prefix-lists --output text --query "PrefixLists[?ends_with(PrefixListName, '.$1') &&
    !contains(PrefixListName, 'ipv6')].PrefixListId | [0]" | grep '^pl-' || fail "the region has no prefix list of $1"
}

# Replaces network beside a running Copilot environment: uses its network and its data.
adopt() {
  deploy network adopt.yml "VpcId=$(exported VpcId)" "TaskSecurityGroup=$(exported EnvironmentSecurityGroup)"
}

data() {
  local name parameters
  for name in "$@"; do
    parameters=()
    if [[ $IN_NETWORK == *" $name "* ]]; then
      parameters=("VpcId=$(exported VpcId)" "PrivateSubnets=$(exported PrivateSubnets)")
    fi
    deploy "$name" "data/$name.yml" "${parameters[@]}"
  done
}

platform() {
  needed MILLRACE_CERTIFICATE_ARN "the load balancer needs an ACM certificate for HTTPS"
  deploy platform platform.yml "PublicSubnets=$(exported PublicSubnets)" \
    "LoadBalancerSecurityGroup=$(exported LoadBalancerSecurityGroup)" "CertificateArn=$MILLRACE_CERTIFICATE_ARN"
}

access() {
  local name
  for name in "$@"; do deploy "$name-access" "access/$name.yml" "Name=$name"; done
}

databases() {
  say "databases and roles by ecs/databases.sh"
  $dry_run || MILLRACE_APP=$app ./databases.sh "$env"
}

certificates() {
  say "certificates by ecs/certificates.sh"
  $dry_run || MILLRACE_APP=$app ./certificates.sh "$env"
}

services() {
  needed MILLRACE_IMAGES "registry and prefix of the images"
  needed MILLRACE_TAG "tag of the images"
  needed MILLRACE_DOMAIN "domain name of the load balancer, used for links in emails"
  local name own image collector router
  # Assigned, because a failure within the arguments of a command wouldn't end the script.
  collector=$(image collector "$COLLECTOR")
  router=$(image router "$ROUTER")
  for name in "$@"; do
    image=$(image "$name" "$MILLRACE_TAG")
    # ecs/services/<name>.json contains one "Key": "value" per line.
    mapfile -t own < <(sed -nE 's/^  "([A-Za-z]+)": "(.*)",?$/\1=\2/p' "services/$name.json")
    deploy "$name" service.yml "${own[@]}" "Image=$image" "CollectorImage=$collector" "RouterImage=$router" \
      "Domain=$MILLRACE_DOMAIN" \
      "VpcId=$(exported VpcId)" "PrivateSubnets=$(exported PrivateSubnets)" "TaskSecurityGroup=$(exported TaskSecurityGroup)"
  done
}

# image REPOSITORY TAG: print the image's URI with its digest.
image() {
  if $dry_run; then
    printf '%s/%s@<digest of %s>' "$MILLRACE_IMAGES" "$1" "$2"
    return
  fi
  ./image.sh "$1" "$2"
}

(($#)) || set -- network data platform access databases certificates services
for part in "$@"; do
  case $part in
    network | adopt | platform | databases | certificates) "$part" ;;
    data) data "${DATA[@]}" ;;
    access) access "${SERVICES[@]}" ;;
    services) services "${SERVICES[@]}" ;;
    data/* | access/*) [[ -f $part.yml ]] || fail "no such part: ecs/$part.yml doesn't exist"; "${part%%/*}" "${part#*/}" ;;
    services/*) [[ -f $part.json ]] || fail "no such part: ecs/$part.json doesn't exist"; services "${part#*/}" ;;
    *) usage ;;
  esac
done
