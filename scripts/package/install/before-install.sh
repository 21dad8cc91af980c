#!/bin/sh
# The users must be there before files are given to their groups; sysusers.d comes with the files and repeats it for systems that start from an image.
set -eu
add() {
  getent group "$1" > /dev/null || groupadd --system "$1"
  getent passwd "$1" > /dev/null || useradd --system --gid "$1" --no-create-home --home-dir "/var/lib/$1" \
    --comment "$2" --shell /usr/sbin/nologin "$1"
}
add postern "Postern secrets broker"
add postern-agent "Postern agent"
# On an Arc-enabled server that group reads the challenges of the Arc agent. It is not made here: it is the Arc agent's.
! getent group himds > /dev/null || usermod --append --groups himds postern-agent
