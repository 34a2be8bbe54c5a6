#!/bin/sh
# Writes what goes into archives and packages beside the program to
# .build/package: manual pages, also compressed, and completions. VERSION is the
# one that the pages name, SOURCE_DATE_EPOCH their date.
set -eu
cd "$(dirname "$0")/.."
out=.build/package
rm -rf "$out"
mkdir -p "$out"
umask 022

# For this machine, whatever is built for.
GOOS="$(go env GOHOSTOS)" GOARCH="$(go env GOHOSTARCH)" CGO_ENABLED=0 \
	go build -trimpath -buildvcs=false -ldflags "-X main.version=${VERSION:-dev}" -o "$out/socbatch" ./cmd/socbatch
scripts/share.sh "$out/socbatch" "$out/share"
cp -R "$out/share/man" "$out/man-gz"
find "$out/man-gz" -type f -exec gzip -9n {} +
rm "$out/socbatch"
