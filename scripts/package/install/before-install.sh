#!/bin/sh
# The user must be there before files are given to its group; sysusers.d comes with the files and repeats it for systems that start from an image.
set -eu
getent group postern > /dev/null || groupadd --system postern
getent passwd postern > /dev/null || useradd --system --gid postern --no-create-home --home-dir /var/lib/postern \
  --comment "Postern secrets broker" --shell /usr/sbin/nologin postern
