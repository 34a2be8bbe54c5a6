#!/bin/sh
# wine.sh [ARGUMENT…] runs the tests of the packages as they are built for
# Windows, under wine; the arguments go to go test. Wine gets a directory of its
# own in .build/wine.
#
# Wine 8, which Debian 12 has, lacks two things that Go 1.26 asks of Windows:
#
#   - bcryptprimitives.dll, which gives random numbers. A library without code
#     takes its place: it passes the call on to advapi32, which wine has.
#   - deleting a file that is open ("POSIX semantics"). Go has another way, for
#     file systems such as FAT32, and a switch for its own tests that takes it;
#     an overlay turns that on.
#
# The code of this repository is tested as it is.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}
packages='wine wine64 binutils-mingw-w64-x86-64'

if ! command -v wine >/dev/null 2>&1 && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing $packages"
	# shellcheck disable=SC2086 # a list of words
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages; } >/dev/null 2>&1 || true
fi
if ! command -v wine >/dev/null 2>&1; then
	echo "not run: there is no wine"
	exit 0
fi

export WINEPREFIX="$PWD/.build/wine" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
mkdir -p "$WINEPREFIX" .build/wine-go
[ -d "$WINEPREFIX/drive_c/windows" ] || wine wineboot -i >/dev/null 2>&1
# Its servers outlive the tests; started by a test they would keep its output
# open.
wineserver -p >/dev/null 2>&1 </dev/null || true
wine cmd /c exit >/dev/null 2>&1 </dev/null
trap 'wineserver -k || true' EXIT
system="$WINEPREFIX/drive_c/windows/system32"
if [ ! -e "$system/bcryptprimitives.dll" ]; then
	printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\n  ProcessPrng = advapi32.SystemFunction036\n' >.build/wine-go/prng.def
	: | x86_64-w64-mingw32-as -o .build/wine-go/empty.o -
	x86_64-w64-mingw32-ld --shared --entry=0 -o "$system/bcryptprimitives.dll" .build/wine-go/empty.o .build/wine-go/prng.def
fi

at=internal/syscall/windows/at_windows.go
root=$($go env GOROOT)
sed 's/^var TestDeleteatFallback bool$/var TestDeleteatFallback = true/' "$root/src/$at" >.build/wine-go/at_windows.go
cmp -s "$root/src/$at" .build/wine-go/at_windows.go && {
	echo "not run: Go has no TestDeleteatFallback any more" >&2
	exit 1
}
printf '{"Replace": {"%s": "%s"}}\n' "$root/src/$at" "$PWD/.build/wine-go/at_windows.go" >.build/wine-go/overlay.json

[ $# -gt 0 ] || set -- ./naming ./sign/... ./transport/... ./inbox ./outbox ./examples $($go list ./internal/...) ./cmd/socbatch
GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $go test -overlay "$PWD/.build/wine-go/overlay.json" -exec "$(command -v wine)" "$@"
