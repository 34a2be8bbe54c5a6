#!/bin/sh
# reproducible.sh GORELEASER SYFT makes the release of the last commit twice, in
# two directories and with two build caches, and compares what came out. The
# lists of what is built in have a time and a number of their own, and are not
# made. Nothing that is not committed is looked at.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .build/tools
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
git clone -q --no-hardlinks . "$work/one"
git clone -q --no-hardlinks "$work/one" "$work/another-and-longer"
for n in one another-and-longer; do
	mkdir -p "$work/$n/.build"
	ln -s "$PWD/.build/tools" "$work/$n/.build/tools"
	echo "building in a directory named $n"
	GOCACHE="$work/cache-$n" "$work/$n/scripts/release.sh" "$@" --skip=sbom >"$work/log" 2>&1 || {
		cat "$work/log"
		exit 1
	}
	rm -rf "$work/cache-$n"
done
cd "$work/one/.build/release"
status=0
for f in *.tar.gz *.zip *.deb *.rpm SHA256SUMS; do
	if cmp -s "$f" "$work/another-and-longer/.build/release/$f"; then
		echo "same       $f"
	else
		echo "different  $f"
		status=1
	fi
done
exit $status
