package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// makers gives the rows by number. Making a row writes what its contenders
// work on below the directory of the row.
func (b *bench) makers() map[int]func(context.Context, string) (row, error) {
	return map[int]func(context.Context, string) (row, error){
		1: b.setsUp, 2: b.setsDown, 3: b.listing, 4: b.largeFile, 5: b.signing, 6: b.wholeJob,
	}
}

// scaled is n, or a tenth of it in a quick run.
func (b *bench) scaled(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

// site is a socbatch installation that is used once.
type site struct {
	dir, config, state, archive string
}

// newSite writes a configuration.
func (b *bench) newSite(dir string) (site, error) {
	s := site{dir: dir, config: filepath.Join(dir, "socbatch.toml"), state: filepath.Join(dir, "state"), archive: filepath.Join(dir, "replies")}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return s, err
	}
	text := fmt.Sprintf(`sender = %q
state_dir = "state"

[endpoint]
host = %q
port = %d
user = %q
key = %q
host_keys = [%q]

[identity]
p12 = %q
password_file = %q

[declaration]
settle = "0s"

[replies]
archive = "replies"
trusted_roots = %q
`, senderNumber, b.net.Host, b.net.Port, b.user, b.server.Key, b.server.Fingerprint, b.signers.p12, b.signers.p12+".password", b.signers.officeRoots)
	return s, os.WriteFile(s.config, []byte(text), 0o600)
}

func (b *bench) submit(s site, parallel int, files []string) command {
	args := []string{b.socbatch, "--config", s.config, "--quiet", "submit", "--env", "R", "--parallel", strconv.Itoa(parallel)}
	return command{args: append(args, files...)}
}

// setsUp is row 1.
func (b *bench) setsUp(ctx context.Context, dir string) (row, error) {
	n := b.scaled(1000)
	few := n / 4 // for who is too slow for all
	files, err := writeSources(filepath.Join(dir, "sources"), n)
	if err != nil {
		return row{}, err
	}
	sets, fewSets := filepath.Join(dir, "sets"), filepath.Join(dir, "few-sets")
	if err := errors.Join(writeSets(ctx, sets, n, b.signers.own), writeSets(ctx, fewSets, few, b.signers.own)); err != nil {
		return row{}, err
	}
	product := func(parallel int) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			s, err := b.newSite(filepath.Join(dir, "site"))
			if err := errors.Join(err, b.server.clear()); err != nil {
				return usage{}, err
			}
			u, err := b.run(ctx, b.submit(s, parallel, files))
			return u, errors.Join(err, b.checkSent(ctx, s, n))
		}
	}
	delivery := func(parallel, n int) func(context.Context) (usage, error) {
		prepared := filepath.Join(dir, fmt.Sprintf("prepared-%d", n))
		return func(ctx context.Context) (usage, error) {
			if _, err := os.Stat(prepared); err != nil {
				if err := b.prepare(ctx, prepared, files[:n]); err != nil {
					return usage{}, err
				}
			}
			s, err := b.newSite(filepath.Join(dir, "site"))
			if err := errors.Join(err, b.server.clear(), os.CopyFS(s.state, os.DirFS(prepared))); err != nil {
				return usage{}, err
			}
			u, err := b.run(ctx, command{args: []string{b.self, "part", "deliver", s.config, strconv.Itoa(parallel)}})
			return u, errors.Join(err, b.checkSent(ctx, s, n))
		}
	}
	peer := func(from string, c command) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			if err := b.server.clear(); err != nil {
				return usage{}, err
			}
			u, err := b.run(ctx, c)
			return u, errors.Join(err, sameContents(from, filepath.Join(b.server.Home, "IN")))
		}
	}
	// What submit does, by hand: lftp alone does not sign.
	made := filepath.Join(dir, "made")
	mirrorMade := b.lftp("mirror -R -P 32 " + made + " IN").args
	signAndMirror := func(ctx context.Context) (usage, error) {
		if err := errors.Join(b.server.clear(), os.RemoveAll(made), os.Mkdir(made, 0o700)); err != nil {
			return usage{}, err
		}
		u, err := b.run(ctx, command{args: []string{
			"sh", "-c", signScript + mirrorMade[len(mirrorMade)-1], "sh", filepath.Join(dir, "sources"), made, b.signers.cert, b.signers.key, tailFormat(),
		}})
		return u, errors.Join(err, b.checkSigned(filepath.Join(b.server.Home, "IN"), n))
	}
	batches, err := b.uploadBatches(dir, sets, n)
	if err != nil {
		return row{}, err
	}
	const (
		submit64, submit128 = "socbatch submit", "socbatch submit --parallel 128"
		deliver64           = "socbatch, delivery alone"
		deliver128          = "socbatch, delivery alone, 128"
		mirror, sftps       = "lftp mirror -R -P 32", "8 × sftp -b side by side"
	)
	const script = "openssl per file, then lftp mirror"
	deliverFew := fmt.Sprintf("socbatch, delivery alone, %d sets", few)
	rcloneFew := fmt.Sprintf("rclone --transfers 32, %d sets", few)
	return row{
		number: 1, title: fmt.Sprintf("%d sets up (FI of 4 KiB, FS, GO)", n),
		contenders: []contender{
			{name: submit64, ours: true, run: product(64)},
			{name: deliver64, ours: true, run: delivery(64, n)},
			{name: mirror, needs: []string{"lftp"}, run: peer(sets, b.lftp("mirror -R -P 32 "+sets+" IN"))},
			{name: script, needs: []string{"openssl", "lftp"}, run: signAndMirror},
			{name: submit128, ours: true, run: product(128)},
			{name: deliver128, ours: true, run: delivery(128, n)},
			{name: sftps, needs: []string{"sftp"}, run: peer(sets, b.sftpBatches(batches))},
			{name: deliverFew, ours: true, run: delivery(64, few)},
			{name: rcloneFew, needs: []string{"rclone"}, run: peer(fewSets, b.rclone(fewSets, "IN"))},
		},
		comparisons: []comparison{
			{deliver64, mirror, 0.35}, {deliver128, mirror, 0.2}, {deliver64, sftps, 0}, {deliverFew, rcloneFew, 0},
			{submit64, mirror, 0}, {submit128, mirror, 0}, {submit64, script, 0},
		},
	}, nil
}

// prepare freezes and signs declarations and gives them names, so that nothing
// but their delivery is left.
func (b *bench) prepare(ctx context.Context, state string, files []string) (err error) {
	l, err := sqlite.Open(ctx, filepath.Join(state, "ledger.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	spool := inbox.NewSpool(filepath.Join(state, "spool"), &durable.Disk{})
	drafts := make([]inbox.Draft, len(files))
	for i, f := range files {
		dir, parts, err := spool.Freeze(ctx, []string{f}, inbox.FreezeOptions{Identity: b.signers.own})
		if err != nil {
			return err
		}
		s := set(i + 1)
		drafts[i] = inbox.Draft{
			Application: s.Application, Sender: s.Sender, Environment: s.Environment, Date: s.Date, Sequence: s.Sequence,
			Spool: dir, SignedBy: sign.Describe(b.signers.own.Certificate()).Owner, Parts: []inbox.Part{parts[0].Part},
		}
	}
	for _, r := range l.Reserve(ctx, drafts) {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// uploadBatches shares the sets among eight batch files for sftp, each set in
// the order in which the office wants it.
func (b *bench) uploadBatches(dir, sets string, n int) ([]string, error) {
	lines := make([]strings.Builder, 8)
	for i := 1; i <= n; i++ {
		s := set(i)
		for _, name := range []naming.Name{s.FI(1), s.FS(1), s.GO()} {
			fmt.Fprintf(&lines[i%8], "put %s IN/%s\n", filepath.Join(sets, name.String()), name)
		}
	}
	return writeBatches(dir, "up", lines)
}

func writeBatches(dir, name string, lines []strings.Builder) ([]string, error) {
	files := make([]string, len(lines))
	for i := range lines {
		files[i] = filepath.Join(dir, fmt.Sprintf("%s%d.batch", name, i))
		if err := os.WriteFile(files[i], []byte(lines[i].String()), 0o600); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// setsDown is row 2.
func (b *bench) setsDown(ctx context.Context, dir string) (row, error) {
	n := b.scaled(1000)
	replies := filepath.Join(dir, "replies")
	if err := writeReplies(ctx, replies, n, b.signers.office); err != nil {
		return row{}, err
	}
	out := filepath.Join(b.server.Home, "OUT")
	offer := func() error { return errors.Join(b.server.clear(), os.CopyFS(out, os.DirFS(replies))) }
	ours := func(read bool, args ...string) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			s, err := b.newSite(filepath.Join(dir, "site"))
			if err := errors.Join(err, offer()); err != nil {
				return usage{}, err
			}
			full := make([]string, len(args))
			for i, a := range args {
				full[i] = strings.ReplaceAll(a, "CONFIG", s.config)
			}
			u, err := b.run(ctx, command{args: full})
			return u, errors.Join(err, b.checkFetched(ctx, s, replies, n, read))
		}
	}
	home := filepath.Join(dir, "home")
	peer := func(c command) func(context.Context) (usage, error) {
		return func(ctx context.Context) (usage, error) {
			if err := errors.Join(offer(), os.RemoveAll(home), os.Mkdir(home, 0o700)); err != nil {
				return usage{}, err
			}
			u, err := b.run(ctx, c)
			return u, errors.Join(err, sameContents(replies, home), empty(out))
		}
	}
	lines := make([]strings.Builder, 8)
	for i := 1; i <= n; i++ {
		for _, kind := range []naming.Kind{naming.FO, naming.FS, naming.GO} {
			name := replyName(kind, i)
			fmt.Fprintf(&lines[i%8], "get OUT/%s %s\nrm OUT/%s\n", name, filepath.Join(home, name), name)
		}
	}
	batches, err := writeBatches(dir, "down", lines)
	if err != nil {
		return row{}, err
	}
	const (
		fetch, alone  = "socbatch fetch", "socbatch, fetching alone"
		mirror, sftps = "lftp mirror -P 32 --Remove-source-files", "8 × sftp -b side by side"
	)
	return row{
		number: 2, title: fmt.Sprintf("%d files down (%d reply sets FO, FS, GO) and deleted on the server", 3*n, n),
		contenders: []contender{
			{name: fetch, ours: true, run: ours(true, b.socbatch, "--config", "CONFIG", "--quiet", "fetch", "--env", "R")},
			{name: alone, ours: true, run: ours(false, b.self, "part", "fetch", "CONFIG")},
			{name: mirror, needs: []string{"lftp"}, run: peer(b.lftp("mirror -P 32 --Remove-source-files OUT " + home))},
			{name: sftps, needs: []string{"sftp"}, run: peer(b.sftpBatches(batches))},
		},
		comparisons: []comparison{{fetch, mirror, 0.4}, {alone, mirror, 0.4}, {fetch, sftps, 0}, {alone, sftps, 0}},
	}, nil
}

// listing is row 3.
func (b *bench) listing(_ context.Context, dir string) (row, error) {
	n := b.scaled(10_000)
	out := filepath.Join(b.server.Home, "OUT")
	if err := b.server.clear(); err != nil {
		return row{}, err
	}
	for i := 1; i <= n; i++ {
		if err := os.WriteFile(filepath.Join(out, replyName(naming.FO, i)), nil, 0o600); err != nil {
			return row{}, err
		}
	}
	s, err := b.newSite(filepath.Join(dir, "site"))
	if err != nil {
		return row{}, err
	}
	listed := filepath.Join(dir, "listed")
	peer := func(c command) func(context.Context) (usage, error) {
		c.args[len(c.args)-1] += " > " + listed
		return func(ctx context.Context) (usage, error) {
			u, err := b.run(ctx, c)
			text, rerr := os.ReadFile(listed)
			if got := strings.Count(string(text), "FO.ACRF."); got != n && err == nil && rerr == nil {
				err = fmt.Errorf("%d names were listed, there are %d", got, n)
			}
			return u, errors.Join(err, rerr)
		}
	}
	batch := filepath.Join(dir, "ls.batch")
	if err := os.WriteFile(batch, []byte("ls -1 OUT\n"), 0o600); err != nil {
		return row{}, err
	}
	const ours, cls, ls = "socbatch, listing alone", "lftp cls -1", "sftp ls -1"
	return row{
		number: 3, title: fmt.Sprintf("listing of %d names, with the time to connect", n),
		contenders: []contender{
			{name: ours, ours: true, run: func(ctx context.Context) (usage, error) {
				return b.run(ctx, command{args: []string{b.self, "part", "list", s.config, "OUT", strconv.Itoa(n)}})
			}},
			{name: cls, needs: []string{"lftp"}, run: peer(b.lftp("cls -1 OUT"))},
			{name: ls, needs: []string{"sftp"}, run: peer(b.sftpBatches([]string{batch}))},
		},
		comparisons: []comparison{{ours, cls, 1}, {ours, ls, 0}},
	}, nil
}

// largeFile is row 4. It runs beside the server, where nothing but the work
// itself takes time.
func (b *bench) largeFile(_ context.Context, dir string) (row, error) {
	size := int64(b.scaled(1 << 30))
	s, err := b.newSite(filepath.Join(dir, "site"))
	if err != nil {
		return row{}, err
	}
	where := "on the disk"
	if b.shm != "" { // or the disk's own work would come in between
		dir, where = b.shm, "in memory"
	}
	local, remoteUp, back := filepath.Join(dir, "large"), filepath.Join(dir, "up"), filepath.Join(dir, "back")
	if err := writeLarge(local, size); err != nil {
		return row{}, err
	}
	up := func(c command) func(context.Context) (usage, error) {
		c.place = atServer
		return func(ctx context.Context) (usage, error) {
			_ = os.Remove(remoteUp)
			u, err := b.run(ctx, c)
			return u, errors.Join(err, sameFile(local, remoteUp), os.Remove(remoteUp))
		}
	}
	down := func(c command) func(context.Context) (usage, error) {
		c.place = atServer
		return func(ctx context.Context) (usage, error) {
			_ = os.Remove(back)
			u, err := b.run(ctx, c)
			return u, errors.Join(err, sameFile(local, back), os.Remove(back))
		}
	}
	batch := func(name, text string) (command, error) {
		file := filepath.Join(dir, name)
		return b.sftpBatches([]string{file}, "-o", "Ciphers=aes128-gcm@openssh.com"), os.WriteFile(file, []byte(text+"\n"), 0o600)
	}
	sftpUp, err1 := batch("put.batch", "put "+local+" "+remoteUp)
	sftpDown, err2 := batch("get.batch", "get "+local+" "+back)
	if err := errors.Join(err1, err2); err != nil {
		return row{}, err
	}
	const ourUp, ourDown = "socbatch, transport alone, up", "socbatch, transport alone, down"
	const peerUp, peerDown = "sftp put (aes128-gcm)", "sftp get (aes128-gcm)"
	return row{
		number: 4, title: fmt.Sprintf("one file of %d MiB, no delay, all files %s", size>>20, where),
		contenders: []contender{
			{name: ourUp, ours: true, run: up(command{args: []string{b.self, "part", "put", s.config, local, remoteUp}})},
			{name: peerUp, needs: []string{"sftp"}, run: up(sftpUp)},
			{name: ourDown, ours: true, run: down(command{args: []string{b.self, "part", "get", s.config, local, back}})},
			{name: peerDown, needs: []string{"sftp"}, run: down(sftpDown)},
		},
		comparisons: []comparison{{ourUp, peerUp, 1}, {ourDown, peerDown, 1}},
	}, nil
}

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

// wholeJob is row 6.
func (b *bench) wholeJob(ctx context.Context, dir string) (row, error) {
	n := b.scaled(200)
	sources, replies := filepath.Join(dir, "sources"), filepath.Join(dir, "replies")
	files, err := writeSources(sources, n)
	if err := errors.Join(err, writeReplies(ctx, replies, n, b.signers.office)); err != nil {
		return row{}, err
	}
	in, out := filepath.Join(b.server.Home, "IN"), filepath.Join(b.server.Home, "OUT")
	offer := func() error { return errors.Join(b.server.clear(), os.CopyFS(out, os.DirFS(replies))) }
	ours := func(ctx context.Context) (usage, error) {
		s, err := b.newSite(filepath.Join(dir, "site"))
		if err := errors.Join(err, offer()); err != nil {
			return usage{}, err
		}
		up, err := b.run(ctx, b.submit(s, 64, files))
		if err := errors.Join(err, b.checkSent(ctx, s, n)); err != nil {
			return up, err
		}
		down, err := b.run(ctx, command{args: []string{b.socbatch, "--config", s.config, "--quiet", "fetch", "--env", "R"}})
		u := usage{Wall: up.Wall + down.Wall, CPU: up.CPU + down.CPU, Memory: max(up.Memory, down.Memory)}
		return u, errors.Join(err, b.checkFetched(ctx, s, replies, n, true), b.checkReceived(ctx, s, n))
	}
	work, home := filepath.Join(dir, "work"), filepath.Join(dir, "home")
	sftp := b.sftpArgs()
	args := append([]string{"sh", "-c", recipe, "sh", sources, work, b.signers.cert, b.signers.key, tailFormat(), sftp[len(sftp)-1], home},
		sftp[:len(sftp)-1]...)
	script := func(ctx context.Context) (usage, error) {
		if err := errors.Join(offer(), os.RemoveAll(work), os.RemoveAll(home), os.Mkdir(work, 0o700)); err != nil {
			return usage{}, err
		}
		u, err := b.run(ctx, command{args: args})
		return u, errors.Join(err, b.checkSigned(in, n), sameContents(replies, home), empty(out))
	}
	const product, manual = "socbatch submit, then socbatch fetch", "the manual's recipe with openssl and sftp"
	return row{
		number: 6, title: fmt.Sprintf("the whole job: sign, name, send %d declarations; fetch and delete %d reply sets", n, n),
		contenders: []contender{
			{name: product, ours: true, run: ours},
			{name: manual, needs: []string{"openssl", "sftp"}, run: script},
		},
		comparisons: []comparison{{product, manual, 0.1}},
	}, nil
}
