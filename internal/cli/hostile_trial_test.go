package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/hostile"
	"github.com/socbatch/socbatch/internal/peak"
	"github.com/socbatch/socbatch/internal/testkit"
)

// Bounds of every run against a hostile server.
const (
	mostMemory = 128 << 20
	hangs      = 90 * time.Second // no run takes a tenth of it
)

// measured is a program of its own that runs another one and writes its peak
// memory to the file that comes first: see peak.Memory.
func measured() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	_ = cmd.Run()
	text := strconv.FormatInt(peak.Memory(cmd.ProcessState), 10)
	if err := os.WriteFile(os.Args[1], []byte(text), 0o600); err != nil {
		panic(err)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// trial is a client in a directory tree of its own, and a server to be made
// hostile.
type trial struct {
	server *hostile.Server
	files  *hostile.Files
	config string

	program string

	root, client string
	declaration  string
	replies      map[string][]byte // by their path on the server
	lies         bool              // what the server says is not what it does
	outputs      []string
	peak         int64
}

var loginKey = sync.OnceValue(func() []byte {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(block)
})

func newTrial(t *testing.T, program string) *trial {
	t.Helper()
	root := t.TempDir()
	x := &trial{
		program: program, files: &hostile.Files{}, root: root, client: filepath.Join(root, "a", "client"), replies: map[string][]byte{},
	}
	x.server = &hostile.Server{Key: hostile.NewSigner(), SFTP: x.files.Serve}
	port, err := x.server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.server.Close)
	testkit.WriteFile(t, x.client, "id", loginKey())
	x.declaration = testkit.WriteFile(t, x.client, "dimona.xml", testkit.Dimona("A1"))
	for _, dir := range []string{"home", "tmp"} {
		testkit.WriteFile(t, root, dir+"/decoy", []byte("not ours"))
	}
	x.config = testkit.WriteFile(t, x.client, "socbatch.toml", fmt.Appendf(nil, `sender = %q
environment = "T"
state_dir = "state"
[endpoint]
host = "127.0.0.1"
port = %d
user = "EXP1"
key = "id"
host_keys = [%q]
[declaration]
settle = "0s"
[replies]
archive = "replies"
`, testkit.Sender, port, ssh.FingerprintSHA256(x.server.Key.PublicKey())))
	return x
}

// unpinned takes the host key out of the configuration.
func (x *trial) unpinned() {
	text, err := os.ReadFile(x.config)
	if err == nil {
		text = regexp.MustCompile("(?m)^host_keys.*\n").ReplaceAll(text, nil)
		err = os.WriteFile(x.config, text, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// replyName is the n-th reply, and goName its GO.
func replyName(n int) string { return fmt.Sprintf("FO.ACRF.999999.20260302.%05d.T", n) }
func goName(n int) string    { return "GO" + strings.TrimPrefix(replyName(n), "FO") }

// reply puts a reply with its GO on the server.
func (x *trial) reply(n int, content []byte) {
	name := path.Join("OUTTEST", replyName(n))
	x.replies[name] = content
	x.files.Put(name, content)
	x.files.Put(path.Join("OUTTEST", goName(n)), nil)
}

var receipt = testkit.Receipt("GO.DIMN.101380.20260302.00001.T.1", "7")

// arguments turns the short form of a command into its arguments.
func (x *trial) arguments(command string) []string {
	args := append([]string{"--config", x.config}, strings.Fields(command)...)
	switch args[2] {
	case "submit":
		args = append(args, "--env", "T", "--settle-pause", "1ms", x.declaration)
	case "fetch", "resume":
		args = append(args, "--env", "T", "--settle-pause", "1ms")
	case "hostkey":
		args[4] = strings.Replace(args[4], "KEY", ssh.FingerprintSHA256(x.server.Key.PublicKey()), 1)
	}
	return args
}

// run runs a command as a process. An error is a broken promise, of those that
// hold whatever a server does.
func (x *trial) run(command string) (code int, out string, err error) {
	before, err := x.outside()
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	dir, err := os.MkdirTemp("", "socbatch-peak-")
	if err != nil {
		return 0, "", err
	}
	defer os.RemoveAll(dir)
	size := filepath.Join(dir, "peak")
	cmd := exec.CommandContext(ctx, "socbatch-measured", append([]string{size, x.program}, x.arguments(command)...)...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(x.root, "home"), "TMPDIR="+filepath.Join(x.root, "tmp"))
	cmd.Dir = filepath.Join(x.root, "home")
	cmd.WaitDelay = time.Second
	b, err := cmd.CombinedOutput()
	out = string(b)
	if ctx.Err() != nil {
		return 0, out, errors.New("it hangs")
	}
	if cmd.ProcessState == nil {
		return 0, out, err
	}
	if b, err := os.ReadFile(size); err == nil {
		n, _ := strconv.ParseInt(string(b), 10, 64)
		x.peak = max(x.peak, n)
		if n > mostMemory {
			return 0, out, fmt.Errorf("it took %d MiB", n>>20)
		}
	}
	return cmd.ProcessState.ExitCode(), out, x.holds(before, out)
}

// inside runs a command in this process: memory is not measured.
func (x *trial) inside(command string) (code int, out string, err error) {
	before, err := x.outside()
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	var b bytes.Buffer
	env := map[string]string{"HOME": filepath.Join(x.root, "home")}
	code = testBuild.run(ctx, x.arguments(command), streams{strings.NewReader(""), &b, &b}, func(k string) string { return env[k] })
	if ctx.Err() != nil {
		return code, b.String(), errors.New("it hangs")
	}
	return code, b.String(), x.holds(before, b.String())
}

// holds checks what must hold after every command.
func (x *trial) holds(before map[string]string, out string) error {
	x.outputs = append(x.outputs, out)
	after, err := x.outside()
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("it wrote outside its directories: before %v, after %v", before, after)
	}
	if strings.Contains(out, "goroutine ") || strings.Contains(out, "panic:") {
		return errors.New("it crashed")
	}
	if len(out) > 64<<10 {
		return fmt.Errorf("it said %d bytes", len(out))
	}
	if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		return fmt.Errorf("what it says holds %q", out[i:min(i+4, len(out))])
	}
	there := x.files.Names()
	for _, m := range regexp.MustCompile(`(?m)^(sent|stored)  (\S+)`).FindAllStringSubmatch(out, -1) {
		if m[1] == "sent" && !x.lies && !slices.ContainsFunc(there, func(p string) bool { return strings.HasPrefix(path.Base(p), "GO.") }) {
			return fmt.Errorf("%s: sent, and no GO was taken", m[2])
		}
		if m[1] == "stored" {
			if _, ok := x.stored(m[2]); !ok {
				return fmt.Errorf("%s: stored, and not in the archive", m[2])
			}
		}
	}
	for _, p := range x.files.Removed() {
		if strings.HasPrefix(path.Base(p), "GO.") {
			continue
		}
		content, ok := x.stored(path.Base(p))
		if !ok || !x.lies && !bytes.Equal(content, x.replies[p]) {
			return fmt.Errorf("%s was removed and is not stored", p)
		}
	}
	return nil
}

// stored is a file of the archive.
func (x *trial) stored(name string) ([]byte, bool) {
	found, err := filepath.Glob(filepath.Join(x.client, "replies", "T", "*", name))
	if err != nil || len(found) != 1 {
		return nil, false
	}
	b, err := os.ReadFile(found[0])
	return b, err == nil
}

// archive lists the files of the archive.
func (x *trial) archive() []string {
	found, _ := filepath.Glob(filepath.Join(x.client, "replies", "T", "*", "*"))
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

// outside is everything in the tree but the state and the archive.
func (x *trial) outside() (map[string]string, error) {
	ours := []string{filepath.Join(x.client, "state"), filepath.Join(x.client, "replies")}
	all := map[string]string{}
	err := filepath.WalkDir(x.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(ours, p) {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[p] = info.Mode().String()
		if !d.IsDir() {
			all[p] += fmt.Sprintf(" %d bytes of %s", info.Size(), info.ModTime())
		}
		return nil
	})
	return all, err
}

// hostileCase is one way to be hostile, and what socbatch does about it.
type hostileCase struct {
	name  string
	make  func(x *trial) // hostile
	steps []step
	check func(x *trial) error // after the last step; may be nil
}

// step is a command with what it must come to.
type step struct {
	command string
	code    int
	or      int    // another code that is as good
	any     bool   // every code is
	says    string // expression
	then    func(x *trial)
}

// try runs the steps of a case. inside: in this process.
func (c hostileCase) try(x *trial, inside bool) error {
	if c.make != nil {
		c.make(x)
	}
	x.server.Start()
	command := x.run
	if inside {
		command = x.inside
	}
	for _, s := range c.steps {
		code, out, err := command(s.command)
		if err == nil && !s.any && code != s.code && (s.or == 0 || code != s.or) {
			err = fmt.Errorf("exit code %d instead of %d", code, s.code)
		}
		if err == nil && !regexp.MustCompile(s.says).MatchString(out) {
			err = fmt.Errorf("it does not say %q", s.says)
		}
		if err != nil {
			return fmt.Errorf("%s: %w\n%.3000s", s.command, err, out)
		}
		if s.then != nil {
			s.then(x)
		}
	}
	if c.check != nil {
		return c.check(x)
	}
	return nil
}
