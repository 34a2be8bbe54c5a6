#!/bin/sh
# Installs the package for Debian in a clean root directory, made by debootstrap
# and kept in .build/debian, and tries the program there: it runs, finds its man
# page, sends and fetches on the stand-in, and goes without taking what it wrote.
# Needs root and debootstrap; where debootstrap cannot fetch Debian, the package
# is only unpacked into an empty directory. Run "make release-dry" before.
set -eu
cd "$(dirname "$0")/.."
arch=$(dpkg --print-architecture)
deb=$(ls .build/release/*_"$arch".deb)
if [ "$(id -u)" != 0 ]; then
	echo "not checked: needs root, for chroot"
	exit 0
fi
base=.build/debian root=.build/root
clean() { rm -rf "$root"; }
clean
trap clean EXIT
in_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }
say() { printf '%s\n' "$*"; }

if [ ! -d "$base" ] && command -v debootstrap >/dev/null 2>&1; then
	say "making a Debian in $base, once"
	debootstrap --variant=minbase bookworm "$base.new" >.build/debootstrap.log 2>&1 && mv "$base.new" "$base" || rm -rf "$base.new"
fi
if [ ! -d "$base" ]; then
	say "no Debian to install in: the package is only unpacked"
	mkdir -p "$root/tmp"
	dpkg-deb -x "$deb" "$root"
	in_root /usr/bin/socbatch version
	in_root /usr/bin/socbatch demo >/dev/null
	say "ok: the program needs no other file"
	exit 0
fi

cp -a "$base" "$root"
cp "$deb" "$root/socbatch.deb"
in_root dpkg -i /socbatch.deb
in_root dpkg --verify socbatch
in_root socbatch version
in_root sh -c 'test "$(stat -c "%U:%G %a" /etc/socbatch)" = "root:socbatch 750"'
say "ok: installed, with a user of its own"

# Nothing of the package is named without being there.
in_root sh -c 'zcat /usr/share/man/man1/socbatch-submit.1.gz | grep -q "^.TH"'
in_root bash -c '. /usr/share/bash-completion/completions/socbatch && complete -p socbatch' >/dev/null
in_root sh -c 'ls /usr/lib/systemd/system/socbatch.service /usr/lib/systemd/system/socbatch.timer' >/dev/null
say "ok: man pages, completions and units are there"

in_root socbatch demo >.build/demo.log 2>&1 || {
	cat .build/demo.log
	exit 1
}
say "ok: sent and fetched on the stand-in"

in_root sh -c 'mkdir -p /var/lib/socbatch && echo ledger >/var/lib/socbatch/ledger.db && echo >/etc/socbatch/id_rsa'
in_root dpkg -i /socbatch.deb >/dev/null 2>&1 # again, as an upgrade does
in_root dpkg --purge socbatch 2>&1
in_root sh -c 'test -s /var/lib/socbatch/ledger.db && test -f /etc/socbatch/id_rsa && ! test -e /usr/bin/socbatch'
say "ok: removed, and the ledger and the keys are still there"

if command -v rpm >/dev/null 2>&1; then
	rpm -qp --requires --scripts "$(ls .build/release/*.x86_64.rpm)" >/dev/null
	rpm -K --nosignature "$(ls .build/release/*.x86_64.rpm)"
fi
