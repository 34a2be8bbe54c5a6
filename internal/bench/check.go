package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/checksum"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// checkSent makes sure that the declarations 1 to n are on the server, signed,
// each with its GO, none before its FI and FS, and that the ledger says so.
func (b *bench) checkSent(ctx context.Context, s site, n int) error {
	in := filepath.Join(b.server.Home, "IN")
	if err := countFiles(in, 3*n); err != nil {
		return err
	}
	missing := map[[32]byte]bool{}
	for i := 1; i <= n; i++ {
		missing[sha256.Sum256(declaration(i))] = true
	}
	l, err := sqlite.Open(ctx, filepath.Join(s.state, "ledger.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // only read
	sent, err := l.Submissions(ctx, ledger.Filter{States: []inbox.State{inbox.Sent}})
	if err != nil {
		return err
	}
	for _, x := range sent {
		fi, err := os.ReadFile(filepath.Join(in, x.Set.FI(1).String()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(fi)
		if !missing[sum] {
			return fmt.Errorf("%s has not the bytes of a declaration, or they came twice", x.Set)
		}
		delete(missing, sum)
		if err := b.checkSet(in, x.Set, fi); err != nil {
			return fmt.Errorf("%s: %w", x.Set, err)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d of %d declarations are not sent by the ledger", len(missing), n)
	}
	return nil
}

func (b *bench) checkSet(in string, set naming.Set, fi []byte) error {
	fsPath, goPath := filepath.Join(in, set.FS(1).String()), filepath.Join(in, set.GO().String())
	fs, err := os.ReadFile(fsPath)
	if err != nil {
		return err
	}
	if err := b.verify(bytes.NewReader(fi), fs); err != nil {
		return err
	}
	goInfo, err := os.Stat(goPath)
	if err != nil {
		return err
	}
	if goInfo.Size() != 0 {
		return errors.New("the GO is not empty")
	}
	for _, p := range []string{fsPath, filepath.Join(in, set.FI(1).String())} {
		if info, err := os.Stat(p); err != nil || info.ModTime().After(goInfo.ModTime()) {
			return errors.Join(errors.New("the GO is older than the rest of its set"), err)
		}
	}
	return nil
}

// checkSigned makes sure that the sets 1 to n are in a folder, under the names
// that a script gives them, and that their signatures hold.
func (b *bench) checkSigned(in string, n int) error {
	for i := 1; i <= n; i++ {
		s := set(i)
		fi, err := os.ReadFile(filepath.Join(in, s.FI(1).String()))
		if err != nil {
			return err
		}
		if !bytes.Equal(fi, declaration(i)) {
			return fmt.Errorf("%s has other bytes", s.FI(1))
		}
		fs, err := os.ReadFile(filepath.Join(in, s.FS(1).String()))
		if err != nil {
			return err
		}
		if err := b.verify(bytes.NewReader(fi), fs); err != nil {
			return fmt.Errorf("%s: %w", s.FS(1), err)
		}
	}
	return countFiles(in, 3*n)
}

func (b *bench) verify(content io.Reader, fs []byte) error {
	_, err := sign.Verify(content, fs, sign.VerifyOptions{Registered: b.signers.own.Certificate(), SkipChain: true})
	return err
}

// checkSignatures verifies FILE.FS of every file.
func (b *bench) checkSignatures(ctx context.Context, files []string) error {
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		fs, err := os.ReadFile(f + ".FS")
		if err != nil {
			return err
		}
		in, err := os.Open(f)
		if err != nil {
			return err
		}
		err = b.verify(in, fs)
		if err := errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// checkFetched makes sure that the archive has every reply and signature byte
// for byte, that nothing is left on the server, and that the ledger knows it.
func (b *bench) checkFetched(ctx context.Context, s site, replies string, n int, read bool) error {
	want, err := contents(replies)
	if err != nil {
		return err
	}
	got := map[string][32]byte{}
	days, err := filepath.Glob(filepath.Join(s.archive, "R", "2*"))
	if err != nil {
		return err
	}
	for _, d := range days {
		files, err := contents(d)
		if err != nil {
			return err
		}
		for k, v := range files {
			got[k] = v
		}
	}
	for name, sum := range want {
		if !strings.HasPrefix(name, "GO.") && got[name] != sum {
			return fmt.Errorf("%s is not in the archive as it was on the server", name)
		}
	}
	if len(got) != 2*n {
		return fmt.Errorf("the archive has %d files in place of %d", len(got), 2*n)
	}
	if err := empty(filepath.Join(b.server.Home, "OUT")); err != nil {
		return err
	}
	l, err := sqlite.Open(ctx, filepath.Join(s.state, "ledger.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // only read
	for i := 1; i <= n; i++ {
		name := replyName(naming.FO, i)
		stored, err := l.FilesNamed(ctx, naming.Production, name)
		if err != nil || len(stored) != 1 {
			return errors.Join(fmt.Errorf("the ledger has %d entries for %s", len(stored), name), err)
		}
		r, err := l.Reply(ctx, stored[0].ReplyID)
		if err != nil {
			return err
		}
		if r.DeletedAt.IsZero() || read && (r.ReadAt.IsZero() || !strings.HasPrefix(r.Signature, "valid")) {
			return fmt.Errorf("the ledger's entry for %s is not complete: %+v", name, r)
		}
	}
	return nil
}

// checkReceived makes sure that every declaration is tied to its receipt.
func (b *bench) checkReceived(ctx context.Context, s site, n int) error {
	l, err := sqlite.Open(ctx, filepath.Join(s.state, "ledger.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // only read
	got, err := l.Submissions(ctx, ledger.Filter{States: []inbox.State{inbox.Received}})
	if err == nil && len(got) != n {
		err = fmt.Errorf("%d of %d declarations have their receipt", len(got), n)
	}
	return err
}

func sameContents(want, got string) error {
	a, err := contents(want)
	if err != nil {
		return err
	}
	b, err := contents(got)
	if err != nil {
		return err
	}
	if len(a) != len(b) {
		return fmt.Errorf("%d files arrived of %d", len(b), len(a))
	}
	for name, sum := range a {
		if b[name] != sum {
			return fmt.Errorf("%s arrived with other bytes", name)
		}
	}
	return nil
}

func sameFile(want, got string) error {
	a, err := checksum.OfFile(want)
	if err != nil {
		return err
	}
	b, err := checksum.OfFile(got)
	if err == nil && a != b {
		err = fmt.Errorf("%s arrived with other bytes", filepath.Base(want))
	}
	return err
}

func empty(dir string) error { return countFiles(dir, 0) }

func countFiles(dir string, n int) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) != n {
		err = fmt.Errorf("%s has %d files in place of %d", dir, len(entries), n)
	}
	return err
}
