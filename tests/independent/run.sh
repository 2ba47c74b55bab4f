#!/usr/bin/env bash
# Plays the demo, bills its input files with bill.py and compares. BIN is the folder of broadbill.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${BIN:?the folder of the program broadbill}
folder=$(mktemp -d)
export PYTHONDONTWRITEBYTECODE=1
trap 'rm -rf "$folder"' EXIT

python3 "$here/bill.py" --self-test
"$bin/broadbill" demo --accounts "${ACCOUNTS:-2000}" --data "$folder" \
  --export "$folder/export" --exit
python3 "$here/bill.py" "$folder/input" "$folder/export"
