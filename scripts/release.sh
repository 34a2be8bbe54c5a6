#!/bin/sh
# release.sh GORELEASER SYFT [ARGUMENT…] makes a release in .build/release and
# publishes nothing. The first two are versions; both programs are built once,
# outside this module, and kept in .build/tools.
set -eu
cd "$(dirname "$0")/.."
goreleaser=${1:?version of goreleaser} syft=${2:?version of syft}
shift 2

# tool PROGRAM PACKAGE VERSION
tool() {
	dir="$PWD/.build/tools/$1-$3"
	if [ ! -x "$dir/$1" ]; then
		echo "building $1 $3, once"
		GOFLAGS='' GOBIN="$dir" go install "$2@$3"
	fi
	PATH=$dir:$PATH
}
tool goreleaser github.com/goreleaser/goreleaser/v2 "$goreleaser"
tool syft github.com/anchore/syft/cmd/syft "$syft"
export PATH

# Without a remote goreleaser takes nothing from git, not even the date.
if [ -z "$(git remote)" ]; then
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url
	export GIT_CONFIG_VALUE_0=https://github.com/socbatch/socbatch
fi
exec goreleaser release --snapshot --clean "$@"
