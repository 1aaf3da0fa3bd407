#!/bin/sh
# Reads what a resolver took, and writes what requirements.lock says of it: versions and hashes. What isn't in the lock is a
# package of ours.
set -eu
awk '
  NR == FNR { if (match($0, /^[a-z0-9._-]+/)) taken[substr($0, 1, RLENGTH)]; next }
  /^[a-z0-9]/ { match($0, /^[a-z0-9._-]+/); wanted = substr($0, 1, RLENGTH) in taken }
  wanted
' - requirements.lock
