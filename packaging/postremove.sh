#!/bin/sh
# After the files of the package are gone. /var/lib/socbatch stays, also on
# purge: the ledger in it prevents that a declaration is sent twice.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
