#!/usr/bin/env bash
# Captures ../freeradius_detail anew: needs Debian's freeradius and freeradius-utils and nothing that
# listens on UDP port 21813 of loopback. The times of receipt in the file are those of the capture.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
mkdir -p "$work/run"
cp radiusd.conf "$work/"
sed -i "s|^confdir = .*|confdir = $work|" "$work/radiusd.conf"
TZ=America/Chicago freeradius -f -d "$work" -l "$work/run/radius.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 100); do
  grep -q 'Ready to process requests' "$work/run/radius.log" 2>/dev/null && break
  sleep 0.1
done
# One packet a call, so that each has its own source port and none is taken for a retransmission.
count=0
while IFS= read -r line; do
  case $line in '' | '#'*) continue ;; esac
  count=$((count + 1))
  to=127.0.0.1:21813
  case $line in *NAS-IPv6-Address*) to='[::1]:21813' ;; esac
  radclient -q -r 1 "$to" acct capture <<<"$line"
done <packets.txt
cp "$work/run/detail" ../freeradius_detail
chmod 644 ../freeradius_detail
echo "$count packets sent, $(grep -c '^[A-Z]' ../freeradius_detail) recorded"
