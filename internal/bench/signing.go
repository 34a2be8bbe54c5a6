package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// signing is row 5.
func (b *bench) signing(ctx context.Context, dir string) (row, error) {
	n := b.scaled(1000)
	size := int64(b.scaled(1 << 30))
	large := filepath.Join(dir, "large")
	if err := writeLarge(large, size); err != nil {
		return row{}, err
	}
	sources := filepath.Join(dir, "sources")
	files, err := writeSources(sources, n)
	if err != nil {
		return row{}, err
	}
	s, err := b.newSite(filepath.Join(dir, "site"))
	if err != nil {
		return row{}, err
	}
	// Both leave FILE.FS beside FILE.
	job := func(files []string, args ...string) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			for _, f := range files {
				_ = os.Remove(f + ".FS")
			}
			u, err := b.run(ctx, command{dir: dir, args: args})
			if err != nil {
				return u, err
			}
			return u, b.checkSignatures(ctx, files)
		}
	}
	recipe := fmt.Sprintf(`set -eu
for f do
	openssl smime -sign -binary -in "$f" -signer %s -inkey %s -outform DER | base64 -w 64 > "$f.FS"
done`, b.signers.cert, b.signers.key)
	ours := []string{b.socbatch, "--config", s.config, "--quiet", "sign", "--force"}
	peer := []string{"sh", "-c", recipe, "sh"}
	const openssl = "openssl smime -sign -binary, base64"
	ourLarge, peerLarge := fmt.Sprintf("socbatch sign, %d MiB", size>>20), fmt.Sprintf("%s, %d MiB", openssl, size>>20)
	ourSmall, peerSmall := fmt.Sprintf("socbatch sign, %d files", n), fmt.Sprintf("%s, one run per file", openssl)
	return row{
		number: 5, title: fmt.Sprintf("signing one file of %d MiB, and %d files of 4 KiB (RSA-2048)", size>>20, n),
		contenders: []contender{
			{name: ourLarge, ours: true, run: job([]string{large}, append(ours, large)...)},
			{name: peerLarge, needs: []string{"openssl"}, run: job([]string{large}, append(peer, large)...)},
			{name: ourSmall, ours: true, run: job(files, append(ours, files...)...)},
			{name: peerSmall, needs: []string{"openssl"}, run: job(files, append(peer, files...)...)},
		},
		comparisons: []comparison{{ourLarge, peerLarge, 0.9}, {ourSmall, peerSmall, 0.25}},
	}, nil
}

// signScript makes the files of a set for every declaration, with openssl as
// the manual says: arguments are the folders with the declarations and for the
// sets, certificate, key, and the form of a name behind its kind.
const signScript = `set -eu
sources=$1 work=$2 cert=$3 key=$4 tail=$5
shift 5
n=0
for f in "$sources"/*.xml; do
	n=$((n + 1))
	name=$(printf "$tail" "$n")
	cp "$f" "$work/FI.$name.1"
	openssl smime -sign -binary -in "$work/FI.$name.1" -signer "$cert" -inkey "$key" -outform PEM |
		grep -v '^-----' > "$work/FS.$name.1"
	: > "$work/GO.$name"
done
`

// recipe goes on from signScript with what the manual tells a person to do:
// for every declaration FI and FS, then GO; then the replies, which are deleted
// once they are here. In its favour, one connection carries all declarations,
// and nothing is flushed to the disk. Arguments that are left are sftp's.
const recipe = signScript + `
server=$1 out=$2
shift 2
mkdir "$out"
for go in "$work"/GO.*; do
	name=${go##*/GO.}
	echo "put $work/FI.$name.1 IN/FI.$name.1
put $work/FS.$name.1 IN/FS.$name.1
put $go IN/GO.$name"
done > "$work.put"
"$@" -b "$work.put" "$server"
echo "get OUT/* $out/" > "$work.get"
"$@" -b "$work.get" "$server"
for f in "$out"/*; do
	echo "rm OUT/${f##*/}"
done > "$work.rm"
"$@" -b "$work.rm" "$server"
`

// tailFormat is the form of a name behind its kind, for printf.
func tailFormat() string { return fmt.Sprintf("DIMN.%s.%s.%%05d.R.1", senderNumber, set(1).Date) }
