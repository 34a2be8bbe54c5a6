#!/bin/sh
# release.sh GORELEASER SYFT [ARGUMENT…] makes a release in .build/release and
# publishes nothing. The first two are versions; both programs are built once,
# outside this module, and kept in .build/tools.
set -eu
cd "$(dirname "$0")/.."
goreleaser=${1:?version of goreleaser} syft=${2:?version of syft}
shift 2

# install MODULE PACKAGE VERSION
install() {
	dir="$PWD/.build/tools/$(basename "$2")-$3"
	if [ ! -d "$dir" ]; then
		echo "building $(basename "$2") $3, once"
		GOFLAGS= GOBIN="$dir.new" go install "$1/$2@$3" && mv "$dir.new" "$dir"
	fi
	PATH=$dir:$PATH
}
install github.com/goreleaser goreleaser/v2 "$goreleaser"
install github.com/anchore syft/cmd/syft "$syft"
export PATH
exec goreleaser release --snapshot --clean "$@"
