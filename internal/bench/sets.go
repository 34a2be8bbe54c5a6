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
