#!/bin/sh
# Runs every fuzz test of the module, one after the other, for the given time.
set -eu
cd "$(dirname "$0")/.."
time=${1:-30s}
for dir in $(go list -f '{{.Dir}}' ./...); do
	for target in $(grep -ho '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | cut -d' ' -f2); do
		echo "$target in ${dir#"$PWD"/}"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
	done
done
