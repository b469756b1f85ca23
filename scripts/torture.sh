#!/usr/bin/env bash
# What a release must survive and what is too long for every change: the real binary and its real journal file, killed, unplugged and cut off.
#
#   scripts/torture.sh                      1,000 kills, 5,000 images of power cuts, 200 runs over a faulty line
#   scripts/torture.sh kills|images|line    one of them
#
# PHONEFLEET_KILLS, PHONEFLEET_IMAGES and PHONEFLEET_LINES give other numbers. Needs strace. Folders are made in memory where there is such a place:
# what a disk loses is what the images are about, not its speed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${TMPDIR:-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ]; then
    export TMPDIR=/dev/shm
fi

run() {
    printf '\n=== %s\n' "$1"
    time cargo test --release --locked --test it -- --ignored --exact --nocapture "$1"
}

case "${1:-all}" in
    kills) run sigkill::torture ;;
    images) run power_cut::torture ;;
    line) run faulty_line::torture ;;
    all)
        run sigkill::torture
        run power_cut::torture
        run faulty_line::torture
        ;;
    *)
        sed -n '2,8p' "$0"
        exit 64
        ;;
esac
