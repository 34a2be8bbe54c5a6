#!/bin/sh
# Runs all tests, with the race detector where it works, and ends with what
# failed, what was skipped and why, and the counts. Arguments go to go test.
# The whole output stays in .build/test.log.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .build

race=-race
cc=$(go env CC)
if ! command -v "${cc%% *}" >/dev/null 2>&1; then
	race=
	echo "without the race detector: it needs a C compiler, and there is none"
elif [ "$(go env CGO_ENABLED)" != 1 ] || ! go test -race -run '^$' ./naming >/dev/null 2>&1; then
	race=
	echo "without the race detector: it does not work on this platform"
fi

[ $# -gt 0 ] || set -- ./...
# The status of go test comes as the last line: a pipe hands on only awk's.
{
	status=0
	go test $race -v "$@" || status=$?
	echo "go test ended with status $status"
} | tee .build/test.log | awk -f scripts/test-summary.awk
