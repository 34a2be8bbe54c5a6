package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/secret"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
	"github.com/socbatch/socbatch/transport/sshkey"
)

// keyOptions are what a person decides about a key that is made or brought in.
type keyOptions struct {
	file         string
	out          string
	bits         int
	comment      string
	noPassphrase bool
	openssh      bool
	ssh2         bool
	finish       bool
	keepConfig   bool
}

func newKeysCmd(a *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, bring in, show and replace the SSH key",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysGenerateCmd(a, runKeysGenerate), newKeysImportCmd(a, runKeysImport), newKeysShowCmd(a, runKeysShow), newKeysRotateCmd(a, runKeysRotate))
	return cmd
}

func newKeysGenerateCmd(a *program, run func(context.Context, *program, keyOptions) error) *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make an SSH key to log in with",
		Long: `Make an SSH key to log in with: an RSA key, since the office takes no others.

Three files are made, and none is ever replaced: the private key, encrypted with
a passphrase, and its public half as OpenSSH and as RFC 4716 (SSH2) write it.
One of the public ones is registered on the portal; the private one stays here.

The passphrase comes from where that of the configured key comes from, else it
is asked for twice on the terminal.`,
		Example: `  socbatch keys generate
  socbatch keys generate --out id_rsa --bits 3072`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	outFlag(cmd, &o)
	newKeyFlags(cmd, &o)
	return cmd
}

func outFlag(cmd *cobra.Command, o *keyOptions) {
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`FILE` of the new private key (default: the configured one, else id_rsa beside the configuration)")
}

func newKeyFlags(cmd *cobra.Command, o *keyOptions) {
	cmd.Flags().IntVar(&o.bits, "bits", sshkey.DefaultBits, "size of the key: 2048, 3072 or 4096")
	commentFlags(cmd, o)
}

func commentFlags(cmd *cobra.Command, o *keyOptions) {
	cmd.Flags().StringVar(&o.comment, "comment", "", "`TEXT` that names the key to people (default: the user name on the server)")
	cmd.Flags().BoolVar(&o.noPassphrase, "no-passphrase", false, "do not encrypt the private key; for servers where nobody can be asked")
}

func newKeysImportCmd(a *program, run func(context.Context, *program, keyOptions) error) *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring in a key of another program",
		Long: `Bring in a key of another program.

FILE may be a private key of PuTTY (.ppk), OpenSSH or OpenSSL (PEM: PKCS#1, SEC1,
PKCS#8), encrypted or not. It is written in OpenSSH form, with its public half
in both forms beside it. An encrypted key keeps its passphrase.

A public key is converted: from RFC 4716 (SSH2) to OpenSSH, else to RFC 4716.

FILE stays as it is, and no file is replaced.`,
		Example: `  socbatch keys import key.ppk --out id_rsa
  socbatch keys import key.ssh2.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return run(cmd.Context(), a, o)
		},
	}
	outFlag(cmd, &o)
	commentFlags(cmd, &o)
	return cmd
}

func newKeysShowCmd(a *program, run func(context.Context, *program, keyOptions) error) *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show type, size, fingerprints and public half of a key",
		Long: `Show type, size, fingerprints and public half of a key.

FILE is a private or a public key of any form that socbatch reads; without one
the configured key is shown, and the one that is to follow it. The passphrase is
asked for only where the file does not show the public half without it.`,
		Example: `  socbatch keys show
  socbatch keys show --ssh2 > upload-this.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.file = args[0]
			}
			return run(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVar(&o.openssh, "openssh", false, "print nothing but the public key in OpenSSH form")
	cmd.Flags().BoolVar(&o.ssh2, "ssh2", false, "print nothing but the public key in RFC 4716 (SSH2) form")
	return cmd
}

func newKeysRotateCmd(a *program, run func(context.Context, *program, keyOptions) error) *cobra.Command {
	var o keyOptions
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the SSH key, in two steps",
		Long: `Replace the SSH key, in two steps.

The first makes a new key beside the one in use, and notes it as next_key in the
configuration. From then on every login tries the new key first, and the old one
where the server does not take it yet. Register the new public key on the portal
meanwhile.

The second, --finish, logs in with the new key only. If the server takes it, the
new key becomes the key of the configuration, and the file of the old one gets
the day in its name. If not, nothing is changed.

Of the configuration file only these lines are changed, everything else in it
stays. Where that is not possible you are told which lines to write.`,
		Example: `  socbatch keys rotate
  socbatch keys rotate --finish`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), a, o) },
	}
	cmd.Flags().BoolVar(&o.finish, "finish", false, "try the new key, and let it take the place of the old one")
	cmd.Flags().BoolVar(&o.keepConfig, "keep-config", false, "do not change the configuration file: say which lines to write")
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`FILE` of the new private key (default: beside the one in use, with the day in its name)")
	newKeyFlags(cmd, &o)
	a.connectionFlags(cmd)
	return cmd
}

// newFiles decides where a new key goes; none of its files may be there.
func (a *program) newFiles(c config.Config, o keyOptions) (sshkey.Files, error) {
	path := o.out
	if path == "" {
		path = c.Endpoint.Key
	}
	if path == "" {
		path = filepath.Join(filepath.Dir(a.configFile()), "id_rsa")
	}
	files := sshkey.FilesOf(path)
	for _, f := range []string{files.Private, files.OpenSSH, files.SSH2} {
		if _, err := os.Lstat(f); err == nil {
			return files, thereAlready(f)
		}
	}
	return files, nil
}

// configFile is the file that was read, else the one that would be.
func (a *program) configFile() string {
	if a.loaded != nil && a.loaded.file != "" {
		return a.loaded.file
	}
	return config.DefaultPath(a.getenv)
}

func thereAlready(path string) error {
	return failure.New(failure.Failed,
		errorf("%s is there already and was not replaced; nothing was written", displayPath(path)),
		text("name another file with --out; to replace the key in use: socbatch keys rotate"))
}

// newPassphrase finds the passphrase of a key that is to be written: where that
// of the configured one comes from, else it is asked for twice.
func (a *program) newPassphrase(ctx context.Context, c config.Config, path string, none bool) ([]byte, error) {
	if none {
		a.ui.warn("the key is not encrypted: whoever can read %s can log in as you", printable(displayPath(path)))
		return nil, nil
	}
	w := a.passphraseOf(c.Endpoint)
	w.KeyringName, w.Question = keyringName("key", path), a.ui.text("New passphrase of the SSH key %s", displayPath(path))
	found, err := a.finder(c).Where(ctx, w)
	var pass string
	if err == nil {
		pass, err = a.secret(ctx, c, w)
	}
	if err == nil && found.Source == secret.Terminal {
		var again string
		if again, err = secret.PromptContext(ctx, a.ui.text("The same again")); err == nil && again != pass {
			return nil, errorf("the two passphrases differ; nothing was written")
		}
	}
	switch {
	case errors.Is(err, secret.ErrNoTerminal):
		return nil, credentialf(text("put it into a file that only you can read, and name that file with key_passphrase_file; or, for a server, --no-passphrase"),
			"passphrase of the new SSH key: %s; nothing was written", err)
	case err != nil:
		return nil, errorf("passphrase of the new SSH key: %s; nothing was written", err)
	case pass == "":
		return nil, credentialf(text("a key without one needs --no-passphrase"), "the passphrase is empty; nothing was written")
	}
	return []byte(pass), nil
}

// commentFor names a key to people.
func (o keyOptions) commentFor(c config.Config) string {
	switch {
	case o.comment != "":
		return o.comment
	case c.Endpoint.User != "":
		return "socbatch " + c.Endpoint.User
	}
	return "socbatch"
}

func runKeysGenerate(ctx context.Context, a *program, o keyOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	files, err := a.newFiles(c, o)
	if err != nil {
		return err
	}
	key, err := a.makeKey(ctx, c, o, files)
	if err != nil {
		return err
	}
	a.tellNewKey(c, files, key)
	a.ui.object(map[string]any{"key": keyJSON(files.Private, "", describeKey(key, o.commentFor(c), !o.noPassphrase)), "files": filesJSON(files)})
	return nil
}

// makeKey makes a key and writes its files.
func (a *program) makeKey(ctx context.Context, c config.Config, o keyOptions, files sshkey.Files) (*sshkey.Key, error) {
	if !slices.Contains(sshkey.Sizes(), o.bits) {
		return nil, usagef("%s", sshkey.ErrBits)
	}
	pass, err := a.newPassphrase(ctx, c, files.Private, o.noPassphrase)
	if err != nil {
		return nil, err
	}
	key, err := sshkey.Generate(o.bits)
	if err != nil {
		return nil, err
	}
	return key, a.writeKey(files, key, o.commentFor(c), pass)
}

func (a *program) writeKey(files sshkey.Files, key *sshkey.Key, comment string, pass []byte) error {
	if err := a.disk.MkdirAll(filepath.Dir(files.Private)); err != nil {
		return err
	}
	err := files.Write(&a.disk, key, comment, pass)
	var path *fs.PathError
	if errors.Is(err, fs.ErrExist) && errors.As(err, &path) {
		return thereAlready(path.Path)
	}
	return err
}

// tellNewKey says which files were made, and what to do with them.
func (a *program) tellNewKey(c config.Config, files sshkey.Files, key *sshkey.Key) {
	a.tellUpload(files, key)
	if absolute(files.Private) != absolute(c.Endpoint.Key) {
		a.ui.hint("put key = %s under [endpoint] in the configuration", config.Quote(a.fromConfig(files.Private)))
	}
}

// tellUpload says which files were written, and what to register on the portal.
func (a *program) tellUpload(files sshkey.Files, key *sshkey.Key) {
	info := sshkey.Describe(key.PublicKey())
	a.ui.result("written  %s  %s  %s", printable(displayPath(files.Private)), keyKind(info), info.SHA256)
	if !info.Registrable() {
		a.warnUnregistrable(info)
		return
	}
	a.ui.result("Register one of these on the portal of the social security, with your channel (Chaman):")
	a.ui.result("  %s  public key in OpenSSH form", printable(displayPath(files.OpenSSH)))
	a.ui.result("  %s  the same in RFC 4716 form, where the portal asks for SSH2", printable(displayPath(files.SSH2)))
	a.ui.result("Its other fingerprint: %s", info.MD5)
	a.ui.say("never give the private key %s to anybody", printable(displayPath(files.Private)))
}

// keyKind is type and size of a key.
func keyKind(i sshkey.Info) string {
	if i.Bits == 0 {
		return printable(i.Type)
	}
	return fmt.Sprintf("%s %d", i.Type, i.Bits)
}

func (a *program) warnUnregistrable(i sshkey.Info) {
	if !i.Registrable() {
		a.ui.warn("this is a key of type %s; the office registers RSA keys of 2048 to 4096 bits only", keyKind(i))
	}
}

func runKeysImport(ctx context.Context, a *program, o keyOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	data, err := readKeyFile(o.file)
	if err != nil {
		return err
	}
	in, err := sshkey.Inspect(data)
	if err != nil {
		return errorf("SSH key %s: %s; nothing was written", o.file, err)
	}
	if !in.Private {
		return a.convertPublic(o, in)
	}
	files, err := a.newFiles(c, o)
	if err != nil {
		return err
	}
	key, pass, err := a.openForeign(ctx, c, o, data, in.Encrypted)
	if err != nil {
		return err
	}
	if !in.Encrypted {
		if pass, err = a.newPassphrase(ctx, c, files.Private, o.noPassphrase); err != nil {
			return err
		}
	}
	comment := o.comment
	if comment == "" {
		comment = key.Comment
	}
	if comment == "" {
		comment = o.commentFor(c)
	}
	if err := a.writeKey(files, key, comment, pass); err != nil {
		return err
	}
	a.tellNewKey(c, files, key)
	a.ui.object(map[string]any{"key": keyJSON(files.Private, "", describeKey(key, comment, pass != nil)), "files": filesJSON(files)})
	return nil
}

// readKeyFile reads a file that may be a key.
func readKeyFile(path string) ([]byte, error) {
	data, err := readWithin(path, 1<<20)
	if err != nil {
		return nil, credentialf(text("name the file of the key"), "SSH key: %s", err)
	}
	return data, nil
}

// openForeign opens a private key that is brought in. Its passphrase is that of
// the configuration where it fits, else it is asked for.
func (a *program) openForeign(ctx context.Context, c config.Config, o keyOptions, data []byte, encrypted bool) (key *sshkey.Key, pass []byte, err error) {
	switch {
	case !encrypted:
		key, err = sshkey.Parse(data, nil)
	case o.noPassphrase:
		return nil, nil, usagef("%s is encrypted, and its passphrase stays: --no-passphrase does not go with it", o.file)
	default:
		var p string
		c.Endpoint.Key = o.file
		if p, err = a.secret(ctx, c, a.passphraseOf(c.Endpoint)); err == nil {
			pass = []byte(p)
			key, err = sshkey.Parse(data, pass)
		}
	}
	if err != nil {
		return nil, nil, errorf("SSH key %s: %s; nothing was written", o.file, err)
	}
	return key, pass, nil
}

// convertPublic writes a public key in the other form.
func (a *program) convertPublic(o keyOptions, in *sshkey.Inspection) error {
	comment := o.comment
	if comment == "" {
		comment = in.Comment
	}
	stem := strings.TrimSuffix(o.file, filepath.Ext(o.file))
	stem = strings.TrimSuffix(stem, ".ssh2")
	out, text := sshkey.FilesOf(stem).SSH2, sshkey.MarshalRFC4716(in.Public, comment)
	if in.Format != "OpenSSH" {
		out, text = sshkey.FilesOf(stem).OpenSSH, sshkey.MarshalOpenSSH(in.Public, comment)
	}
	if o.out != "" {
		out = o.out
	}
	err := a.disk.WriteNew(out, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return thereAlready(out)
	}
	if err != nil {
		return err
	}
	info := sshkey.Describe(in.Public)
	a.ui.result("written  %s  %s  %s", printable(displayPath(out)), keyKind(info), info.SHA256)
	a.warnUnregistrable(info)
	in.Comment = comment
	a.ui.object(map[string]any{"key": keyJSON(out, "", *in)})
	return nil
}

// shownKey is a key on display.
type shownKey struct {
	path, role string // role: key, next; empty for a file that was named
	sshkey.Inspection
}

func runKeysShow(ctx context.Context, a *program, o keyOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	e := c.Endpoint
	var list []shownKey
	switch {
	case o.file != "":
		list = []shownKey{{path: o.file}}
	case e.Key == "":
		return credentialf(text("name a file, or put key = \"FILE\" under [endpoint] in the configuration"), "no SSH key is configured; nothing can be shown")
	case e.NextKey != "":
		list = []shownKey{{path: e.Key, role: "key"}, {path: e.NextKey, role: "next"}}
	default:
		list = []shownKey{{path: e.Key, role: "key"}}
	}
	for i := range list {
		if list[i].Inspection, err = a.inspectKey(ctx, c, list[i].path); err != nil {
			return err
		}
	}
	out := []jsonKey{}
	for i, k := range list {
		out = append(out, keyJSON(k.path, k.role, k.Inspection))
		switch {
		case o.openssh:
			a.ui.result("%s", strings.TrimSuffix(string(sshkey.MarshalOpenSSH(k.Public, k.Comment)), "\n"))
		case o.ssh2:
			a.ui.result("%s", strings.TrimSuffix(string(sshkey.MarshalRFC4716(k.Public, k.Comment)), "\n"))
		default:
			if i > 0 {
				a.ui.result("")
			}
			a.printKey(k)
		}
		a.warnUnregistrable(sshkey.Describe(k.Public))
	}
	a.ui.object(map[string]any{"keys": out})
	return nil
}

// inspectKey reads a key, and asks for its passphrase only where its public half
// cannot be seen without.
func (a *program) inspectKey(ctx context.Context, c config.Config, path string) (sshkey.Inspection, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return sshkey.Inspection{}, err
	}
	in, err := sshkey.Inspect(data)
	if err == nil && in.Public == nil {
		switch absolute(path) {
		case absolute(c.Endpoint.Key):
		case absolute(c.Endpoint.NextKey):
			c.Endpoint = nextOf(c.Endpoint)
		default:
			c.Endpoint = config.Endpoint{Key: path, KeyPassphrase: c.Endpoint.KeyPassphrase}
		}
		var key *sshkey.Key
		if key, err = a.openKey(ctx, c, data); err == nil {
			in.Public = key.PublicKey()
		}
	}
	if err != nil {
		return sshkey.Inspection{}, errorf("SSH key %s: %s; nothing can be shown", path, err)
	}
	if in.Comment == "" { // an OpenSSH key has it inside, the file beside it outside
		if beside, err := os.ReadFile(sshkey.FilesOf(path).OpenSSH); err == nil {
			if key, comment, err := sshkey.ParsePublic(beside); err == nil && bytes.Equal(key.Marshal(), in.Public.Marshal()) {
				in.Comment = comment
			}
		}
	}
	return *in, nil
}

func (a *program) printKey(k shownKey) {
	info := sshkey.Describe(k.Public)
	form := text("public key, %s", k.Format)
	switch {
	case k.Encrypted:
		form = text("private key, %s, encrypted", k.Format)
	case k.Private:
		form = text("private key, %s, not encrypted", k.Format)
	}
	var f fields
	f.add(text("file"), printable(displayPath(k.path)))
	if k.role == "next" {
		f.add(text("use"), a.ui.text("next key: it is tried first, until: socbatch keys rotate --finish"))
	}
	f.add(text("type"), keyKind(info))
	f.add(text("form"), a.ui.in(form))
	f.add(text("fingerprint"), info.SHA256)
	f.add(lang.Text{}, info.MD5)
	if k.Comment != "" {
		f.add(text("comment"), printable(k.Comment))
	}
	a.ui.fields("", f)
}

func runKeysRotate(ctx context.Context, a *program, o keyOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	switch {
	case c.Endpoint.Key == "":
		return credentialf(text("make one with: socbatch keys generate"), "no SSH key is configured that could be replaced; nothing was done")
	case o.finish:
		return a.finishRotation(ctx, c, o)
	case c.Endpoint.NextKey != "":
		return usagef("there is a next key already, %s: end this with socbatch keys rotate --finish, or take next_key out of the configuration; nothing was done", displayPath(c.Endpoint.NextKey))
	}
	if o.out == "" {
		o.out = rotatedName(c.Endpoint.Key, a.now().In(naming.Brussels()).Format("20060102"))
	}
	files, err := a.newFiles(c, o)
	if err != nil {
		return err
	}
	key, err := a.makeKey(ctx, c, o, files)
	if err != nil {
		return err
	}
	a.tellUpload(files, key)
	changed := a.editConfig(o, []string{"next_key = " + config.Quote(a.fromConfig(files.Private))},
		config.Change{Table: "endpoint", Key: "next_key", Value: a.fromConfig(files.Private), After: "key"})
	a.ui.hint("when it is registered: socbatch keys rotate --finish; until then both keys are good, and each login says which one worked")
	a.ui.object(map[string]any{
		"finished": false, "configured": changed, "files": filesJSON(files),
		"key": keyJSON(files.Private, "next", describeKey(key, o.commentFor(c), !o.noPassphrase)),
	})
	return nil
}

var (
	rotatedDay = regexp.MustCompile(`-\d{8}(-\d+)?$`)
	keyEnding  = regexp.MustCompile(`(?i)\.(ppk|pem|key)$`)
)

// rotatedName is a name beside the old key that is not taken.
func rotatedName(old, day string) string {
	stem := rotatedDay.ReplaceAllString(keyEnding.ReplaceAllString(old, ""), "")
	for n := 1; ; n++ {
		name := stem + "-" + day
		if n > 1 {
			name += fmt.Sprintf("-%d", n)
		}
		if free(name) {
			return name
		}
	}
}

// free reports whether no file of a key has that name.
func free(name string) bool {
	f := sshkey.FilesOf(name)
	for _, path := range []string{f.Private, f.OpenSSH, f.SSH2} {
		if _, err := os.Lstat(path); err == nil {
			return false
		}
	}
	return true
}

// fromConfig is a path as it is written in the configuration file: short where
// it lies beside or below it.
func (a *program) fromConfig(path string) string {
	path = absolute(path)
	if rel, err := filepath.Rel(absolute(filepath.Dir(a.configFile())), path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// editConfig changes the table endpoint of the configuration file, or says which
// lines to write. What is set elsewhere than in the file is not for it.
func (a *program) editConfig(o keyOptions, lines []string, changes ...config.Change) bool {
	elsewhere := a.flags.key != "" || a.getenv("SOCBATCH_KEY") != ""
	path := a.configFile()
	err := config.ErrNotEdited
	if !o.keepConfig && !elsewhere {
		err = config.EditFile(&a.disk, path, changes...)
	}
	if err == nil {
		a.ui.result("The configuration %s has now: %s", printable(displayPath(path)), strings.Join(lines, ", "))
		return true
	}
	if !o.keepConfig && !elsewhere {
		a.log.Debug("configuration not changed", "error", err)
	}
	a.ui.warn("the configuration was not changed")
	a.ui.hint("put this under [endpoint], and nothing else about these keys:\n%s", strings.Join(lines, "\n"))
	return false
}

// finishRotation logs in with the next key only, and makes it the key.
func (a *program) finishRotation(ctx context.Context, c config.Config, o keyOptions) error {
	if c.Endpoint.NextKey == "" {
		return usagef("there is no next key that could take the place of the one in use: make one with socbatch keys rotate; nothing was done")
	}
	next := c
	next.Endpoint = nextOf(c.Endpoint)
	endpoint, err := a.endpoint(ctx, next)
	if err != nil {
		return err
	}
	session, err := a.dial(ctx, next, endpoint)
	switch {
	case transport.ClassOf(err) == transport.Authentication:
		return credentialf(text("register %s on the portal, and run the same command again when it is valid; until then the old key goes on", displayPath(sshkey.FilesOf(next.Endpoint.Key).OpenSSH)),
			"the server does not take the next SSH key %s yet; nothing was changed", displayPath(next.Endpoint.Key))
	case err != nil:
		return err
	}
	_ = session.Close() // it has done its work
	a.ui.result("the server takes the new key %s", printable(displayPath(next.Endpoint.Key)))

	lines := []string{"key = " + config.Quote(a.fromConfig(next.Endpoint.Key))}
	changes := []config.Change{{Table: "endpoint", Key: "key", Remove: true}, {Table: "endpoint", Key: "next_key", Rename: "key"}}
	if c.Endpoint.NextKeyPassphraseFile != "" {
		lines = append(lines, "key_passphrase_file = "+config.Quote(a.fromConfig(c.Endpoint.NextKeyPassphraseFile)))
		changes = append(changes, config.Change{Table: "endpoint", Key: "key_passphrase_file", Remove: true},
			config.Change{Table: "endpoint", Key: "next_key_passphrase_file", Rename: "key_passphrase_file"})
	}
	old := c.Endpoint.Key
	changed := a.editConfig(o, lines, changes...)
	if changed {
		old = a.setAside(old)
	}
	a.ui.result("The old key is kept as %s", printable(displayPath(old)))
	a.ui.hint("take the old public key off the portal")
	in, err := a.inspectKey(ctx, next, next.Endpoint.Key)
	if err != nil {
		return err
	}
	a.ui.object(map[string]any{"finished": true, "configured": changed, "key": keyJSON(next.Endpoint.Key, "key", in), "old": old})
	return nil
}

// setAside gives the files of a key that is no longer used a name with the day,
// and tells the new one of the private key. Keys that other programs look for
// stay where they are.
func (a *program) setAside(old string) string {
	if filepath.Base(filepath.Dir(old)) == ".ssh" {
		return old
	}
	day := a.now().In(naming.Brussels()).Format("20060102")
	stem := old + ".until-" + day
	for n := 2; !free(stem); n++ {
		stem = fmt.Sprintf("%s.until-%s-%d", old, day, n)
	}
	from, to := sshkey.FilesOf(old), sshkey.FilesOf(stem)
	if err := os.Rename(from.Private, to.Private); err != nil {
		a.ui.warn("the old key keeps its name: %s", err)
		return old
	}
	for _, pair := range [][2]string{{from.OpenSSH, to.OpenSSH}, {from.SSH2, to.SSH2}} {
		if err := os.Rename(pair[0], pair[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Debug("the old public key keeps its name", "error", err)
		}
	}
	return stem
}

// jsonKey is a key for programs.
type jsonKey struct {
	File        string `json:"file"`
	Role        string `json:"role,omitempty"` // key, next
	Private     bool   `json:"private"`
	Encrypted   bool   `json:"encrypted"`
	Form        string `json:"form"`
	Type        string `json:"type"`
	Bits        int    `json:"bits"`
	Registrable bool   `json:"registrable"`
	SHA256      string `json:"sha256"`
	MD5         string `json:"md5"`
	Comment     string `json:"comment"`
	OpenSSH     string `json:"openssh"`
	SSH2        string `json:"ssh2"`
}

func keyJSON(path, role string, in sshkey.Inspection) jsonKey {
	i := sshkey.Describe(in.Public)
	return jsonKey{
		File: path, Role: role, Private: in.Private, Encrypted: in.Encrypted, Form: in.Format,
		Type: i.Type, Bits: i.Bits, Registrable: i.Registrable(), SHA256: i.SHA256, MD5: i.MD5, Comment: in.Comment,
		OpenSSH: string(sshkey.MarshalOpenSSH(in.Public, in.Comment)), SSH2: string(sshkey.MarshalRFC4716(in.Public, in.Comment)),
	}
}

// describeKey is what Inspect says of a key that was just written.
func describeKey(key ssh.Signer, comment string, encrypted bool) sshkey.Inspection {
	return sshkey.Inspection{Public: key.PublicKey(), Private: true, Encrypted: encrypted, Format: "OpenSSH", Comment: comment}
}

func filesJSON(f sshkey.Files) map[string]string {
	return map[string]string{"private": f.Private, "openssh": f.OpenSSH, "ssh2": f.SSH2}
}
