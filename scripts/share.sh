#!/bin/sh
# share.sh SOCBATCH DIR: writes the manual pages and the completions of bash, zsh
# and fish to where they belong below DIR, which is usually …/share. With
# SOURCE_DATE_EPOCH the result is the same each time.
set -eu
umask 022
socbatch=${1:?socbatch} share=${2:?directory}

LC_ALL=C "$socbatch" --lang en --quiet man "$share/man" >/dev/null
complete() {
	mkdir -p "$share/$2"
	LC_ALL=C "$socbatch" --lang en completion "$1" >"$share/$2/$3"
}
complete bash bash-completion/completions socbatch
complete zsh zsh/site-functions _socbatch
complete fish fish/vendor_completions.d socbatch.fish
