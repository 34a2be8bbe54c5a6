#!/bin/sh
# Installs the programs that some tests try socbatch against, where that is
# possible: as root on Debian or Ubuntu. Anywhere else it says which are
# missing; the tests that need them are skipped then.
set -eu

has() {
	case $1 in
	# Both are kept out of the search path of ordinary users.
	sshd) command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ] ;;
	sftp-server) [ -x /usr/lib/openssh/sftp-server ] || [ -x /usr/libexec/sftp-server ] ||
		[ -x /usr/libexec/openssh/sftp-server ] || [ -x /usr/lib/ssh/sftp-server ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# program and the Debian package that has it; "-": not worth installing.
tools='sshd openssh-server
sftp-server openssh-sftp-server
ssh-keygen openssh-client
openssl openssl
mount mount
mandoc mandoc
xmllint libxml2-utils
erl erlang-ssh
rclone rclone
keytool -'

packages=
while read -r program package; do
	has "$program" || [ "$package" = - ] || packages="$packages $package"
done <<LIST
$tools
LIST

if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing$packages"
	# Installing a server must not start one.
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
	# shellcheck disable=SC2086 # a list of words
	{ apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages; } >/dev/null 2>&1 ||
		echo "installing failed: the tests go on without"
fi

while read -r program package; do
	has "$program" || echo "missing: $program (tests that need it are skipped)"
done <<LIST
$tools
LIST
