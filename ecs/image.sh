#!/usr/bin/env bash
# Print the URI of an image with its digest, because a tag may move between a deployment and a rollback.
set -euo pipefail

[[ $# == 2 ]] || { echo "Usage: ecs/image.sh REPOSITORY TAG, e.g. ecs/image.sh search 1.2.3" >&2; exit 2; }
app=${MILLRACE_APP:-millrace}
[[ -n ${MILLRACE_IMAGES:-} ]] || { echo "MILLRACE_IMAGES is not set: registry and prefix of the images" >&2; exit 1; }

digest=$(aws ecr describe-images --repository-name "$app/$1" --image-ids "imageTag=$2" \
  --output text --query 'imageDetails[0].imageDigest' | grep '^sha256:') ||
  { echo "$app/$1 has no image with the tag $2: push it first" >&2; exit 1; }
printf '%s/%s@%s\n' "$MILLRACE_IMAGES" "$1" "$digest"
