#!/bin/sh
# Measures socbatch beside lftp, OpenSSH's sftp, rclone and openssl, against a
# real sshd behind a line with a round trip of 20 ms, and prints a table.
# Arguments go to the driver, such as -quick, -rows 1,3, -o docs/performance.md;
# -h lists them. Where it may, it installs the programs that are missing (as
# root on Debian or Ubuntu); otherwise their lines say that they were not run.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .build

# program and the Debian package that has it
tools='sshd openssh-server
ssh openssh-client
openssl openssl
lftp lftp
rclone rclone
ip iproute2'

has() {
	command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]
}

packages=
while read -r program package; do
	has "$program" || packages="$packages $package"
done <<LIST
$tools
LIST

if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing$packages" >&2
	# Installing a server must not start one.
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
	# shellcheck disable=SC2086 # a list of words
	{ apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages; } >/dev/null 2>&1 ||
		echo "installing failed: what is missing is not run" >&2
fi

CGO_ENABLED=0 ${GO:-go} build -o .build/bench ./internal/bench
exec .build/bench "$@"
