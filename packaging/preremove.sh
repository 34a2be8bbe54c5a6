#!/bin/sh
# Before the files of the package go; $1 is "remove" for dpkg, 0 for rpm.
set -e
case ${1:-} in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now socbatch.timer socbatch.service || true
	fi
	;;
esac
