#!/bin/sh
# $1 is `remove` or 0 when the package goes, `upgrade` or 1 when the next version takes its place.
set -eu
case "${1:-}" in remove | 0) ;; *) exit 0 ;; esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now postern.service postern-agent.service
