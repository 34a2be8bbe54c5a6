#!/bin/sh
# Looks for known vulnerabilities in the code that is linked. Where the
# database cannot be reached it says so, and does not fail.
set -eu
cd "$(dirname "$0")/.."
status=0
output=$(go run "golang.org/x/vuln/cmd/govulncheck@${1:?version of govulncheck}" ./... 2>&1) || status=$?
case $output in
*"fetching vulnerabilities"*)
	echo "not checked: database not reachable"
	exit 0
	;;
esac
printf '%s\n' "$output"
exit "$status"
