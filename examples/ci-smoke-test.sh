#!/bin/sh
# Smoke test for the CI of a payroll system: sends a Dimona to the test
# environment and waits for the answer. It needs the settings of the channel:
#
#   SOCBATCH_SENDER, SOCBATCH_USER   sender number and technical user
#   SOCBATCH_KEY                     file of the private SSH key
#   SOCBATCH_KEY_PASSPHRASE          its passphrase, from the CI's secrets
#   SOCBATCH_HOST_KEYS               fingerprint of the server
#
# SOCBATCH_HOST and SOCBATCH_PORT lead it to "socbatch sandbox" instead.
#
# usage: ci-smoke-test.sh [DIMONA]
set -u

declaration=${1:-$(dirname "$0")/declarations/dimona-in.xml}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The same contents are never sent twice, so each run gets a time and a
# reference of its own. sed keeps the line ends as they are.
now=$(TZ=Europe/Brussels date '+%Y-%m-%d %H:%M:%S')
sed -e "s|<FormCreationDate>[^<]*|<FormCreationDate>${now% *}|" \
	-e "s|<FormCreationHour>[^<]*|<FormCreationHour>${now#* }.000|" \
	-e "s|<ReferenceNbr>[^<]*|<ReferenceNbr>CI-$(date +%s)|" \
	"$declaration" >"$work/smoke-test.xml" || exit 1

socbatch submit --env T --wait 10m "$work/smoke-test.xml"
code=$?
case $code in
0) echo "smoke test: accepted" ;;
4) echo "smoke test: login, certificate or host key: look at the CI's secrets" >&2 ;;
5) echo "smoke test: the server is out of reach: run the job again" >&2 ;;
6) echo "smoke test: refused: the message above says why" >&2 ;;
8) echo "smoke test: sent, no answer in ten minutes: \"socbatch fetch --env T\" brings it later" >&2 ;;
9) echo "smoke test: outcome unknown: run \"socbatch resume\" with the same state directory" >&2 ;;
*) echo "smoke test: failed with exit code $code" >&2 ;;
esac
exit $code
