#!/usr/bin/env bash
# Prepares a Debian machine for the whole test suite: a running Docker Engine, our Label Studio image, Chromium, and npm,
# which brings the ngrok v2 agent that some tests run.
# Needs root. What is there already is used as it is, so it can be run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."

log=${OPS_DOCKERD_LOG:-/var/log/annotator-ops-dockerd.log}

if [ "$(id -u)" != 0 ]; then
    echo "engine.sh: installing packages and starting dockerd need root." >&2
    exit 1
fi

# Command and package: only what is missing is installed.
missing=()
while read -r command package; do
    command -v "$command" >/dev/null || missing+=("$package")
done <<'PACKAGES'
dockerd docker.io
docker docker.io
iptables iptables
docker-init tini
debootstrap debootstrap
chromium chromium
make make
npm npm
PACKAGES
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet
    apt-get install --yes --quiet --no-install-recommends ca-certificates "${missing[@]}"
fi

engine_answers() { timeout 5 docker info >/dev/null 2>&1; }

if ! engine_answers; then
    # No systemd is needed; a session of its own, so that the engine outlives this script.
    setsid dockerd >>"$log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        if engine_answers; then break; fi
        sleep 1
    done
    if ! engine_answers; then
        echo "engine.sh: dockerd did not answer within a minute. The end of $log:" >&2
        tail -n 30 "$log" >&2
        exit 1
    fi
fi

make .venv/.installed
.venv/bin/python - <<'PYTHON'
from contextlib import closing

from annotator_ops.errors import OpsError
from annotator_ops.runtimes.docker_engine import connect
from annotator_ops.runtimes.image import ensure_image
from annotator_ops.runtimes.installation import supported_versions

try:
    with closing(connect()) as client:
        for version in supported_versions():
            print(ensure_image(client, version, lambda sentence, done: print(sentence, flush=True)))
except OpsError as error:
    raise SystemExit(f"{error.message}\n{error.hint}")
PYTHON
