package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/socbatch/socbatch/naming"
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
