#!/bin/bash
# Make certificates, or new ones before they end, and copy each one to the volume of its container:
# compose/certificates.sh [--renew]
#
# Each container mounts only its own key. The volume with all keys is mounted only here.
set -euo pipefail

services=(directory patients scheduling reviews notifications refinery projector search edge)
names=()
for name in "${services[@]}" postgres valkey; do
  # By the address too, for ports that are published on loopback.
  names+=(--names "$name=$name,127.0.0.1")
done
millrace certificates /certificates "${names[@]}" "$@"

# Replace a file at once, as its readers may be starting.
copy() { # FROM TO MODE
  install -m "$3" "$1" "$2.new"
  mv "$2.new" "$2"
}

for name in "${services[@]}" postgres valkey; do
  # Our group reads the key; the image of Valkey leaves its groups, and alone mounts its volume.
  mode=0640
  [[ $name == valkey ]] && mode=0644
  copy /certificates/ca.pem "/volumes/$name/ca.pem" 0644
  copy "/certificates/$name.pem" "/volumes/$name/certificate.pem" 0644
  copy "/certificates/$name-key.pem" "/volumes/$name/key.pem" "$mode"
done
copy /certificates/ca.pem /volumes/authority/ca.pem 0644
