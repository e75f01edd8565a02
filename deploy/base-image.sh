#!/bin/sh
# Makes a Docker base image without a registry: a minimal Debian 12 (its python3 is 3.11), made by debootstrap from
# Debian's own signed packages. Needs root, debootstrap and a running engine; takes about a minute.
#
#     sh base-image.sh [IMAGE [MIRROR]]
set -eu

image=${1:-annotator-ops/base:bookworm}
mirror=${2:-}

if [ "$(id -u)" != 0 ]; then
    echo "base-image.sh: debootstrap needs root; run it with sudo." >&2
    exit 1
fi
for tool in debootstrap docker tar; do
    if ! command -v "$tool" >/dev/null; then
        echo "base-image.sh: $tool is missing; apt-get install it." >&2
        exit 1
    fi
done

work=$(mktemp -d "${TMPDIR:-/var/tmp}/annotator-ops-base.XXXXXX")
root=$work/root

unmount() {
    # debootstrap mounts these for its second stage and does not always unmount them.
    for place in proc sys dev/pts dev; do
        if mountpoint -q "$root/$place"; then umount "$root/$place"; fi
    done
}
clean() {
    unmount
    rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

# --force-check-gpg: on a machine without Debian's keyring it must fail rather than trust anything.
debootstrap --variant=minbase --force-check-gpg --include=ca-certificates,python3,python3-venv bookworm "$root" $mirror
unmount

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/usr/share/man/* \
    "$root"/usr/share/locale/* "$root"/tmp/* "$root"/etc/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf
find "$root/usr/share/doc" -mindepth 1 ! -name copyright ! -type d -delete

tar --numeric-owner -C "$root" -c . | docker import \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
    --change 'LABEL annotator-ops.base=bookworm' \
    - "$image"
