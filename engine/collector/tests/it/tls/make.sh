#!/usr/bin/env bash
# Makes the certificates of the tests: two that a server signs for itself, for localhost and 100 years.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for name in first second; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$name" \
        -addext 'subjectAltName=DNS:localhost' -addext 'basicConstraints=critical,CA:FALSE' \
        -keyout "$name.key" -out "$name.pem"
done
