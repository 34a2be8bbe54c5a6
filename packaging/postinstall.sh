#!/bin/sh
# After the files of the package are there: the user that the unit runs as.
# Nothing is started or switched on.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers socbatch.conf
elif ! id socbatch >/dev/null 2>&1 && command -v useradd >/dev/null 2>&1; then
	useradd --system --home-dir /var/lib/socbatch --no-create-home --shell /usr/sbin/nologin socbatch
fi
# The keys and certificates in there are for this user only.
if id socbatch >/dev/null 2>&1; then
	chgrp socbatch /etc/socbatch
	chmod 750 /etc/socbatch
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
