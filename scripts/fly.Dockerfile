# The image of a deployment: Debian, certificates of public authorities, a user, and the binary, which must have been built before:
#   bun scripts/build.ts --target linux-x64 --outfile dist/postern
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin postern

COPY --chown=root:root --chmod=0755 dist/postern /usr/local/bin/postern

WORKDIR /
# A fresh volume belongs to root: its folder is handed over first, then everything but the user's own rights is dropped.
ENTRYPOINT ["/bin/sh", "-euc", "install -d -o postern -g postern -m 0700 /data/postern; exec setpriv --reuid=postern --regid=postern --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all /usr/local/bin/postern \"$@\"", "postern"]
