package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/schema"
	"github.com/socbatch/socbatch/internal/wire"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

type checkOptions struct {
	files       []string
	environment string
	application string
	parts       bool
	strict      bool
	schemaDir   string
	crlf        bool
	out         string
}

func newCheckCmd(a *program, run func(context.Context, *program, checkOptions) error) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find what the server would refuse, without sending anything",
		Long: `Find what the server would refuse, without sending anything.

Each FILE is looked at as submit does: its name where it has one already, the
XML, its encoding, schema, root element and forms, the environment, its line
ends, and whether it was sent before. All faults of all files are said. A reply
of the social security is named as such. Nothing is changed.

With --crlf a FILE whose lines do not all end in CR LF gets a copy in which they
do, beside it or in the directory --out, and the copy is checked. FILE itself is
never changed, and no file is replaced.

With --schema the files are compared with the schemas that they name, as far as
the directory has them. This needs the program xmllint.

Exit code 0 means that nothing was found that the server would refuse, 1 that
something was, 7 that a file was sent already.`,
		Example: `  socbatch check dimona.xml
  socbatch check --env R --parts dmfa-1.xml dmfa-2.xml
  socbatch check --crlf dmfa.xml
  socbatch check --schema schemas *.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.environment, "env", "e", "", "environment: R production, T test, S DmfA declaration test")
	f.StringVarP(&o.application, "app", "a", "", "application `CODE`, such as DMFA (default: from the file itself)")
	f.BoolVar(&o.parts, "parts", false, "the files are the parts of one declaration")
	f.BoolVar(&o.strict, "strict", false, "warnings count as faults")
	f.StringVar(&o.schemaDir, "schema", "", "`DIR`ectory of schema files (XSD) to compare the files with")
	f.BoolVar(&o.crlf, "crlf", false, "write a copy in which every line ends in CR LF, and check that")
	f.StringVar(&o.out, "out", "", "with --crlf: `DIR`ectory for the copies (default: beside the files)")
	return cmd
}

// checked is what was found out about a file.
type checked struct {
	file string // as given
	copy string // with --crlf: the copy that was checked instead
	name *naming.Name

	frozen      *inbox.Frozen // nil: it is no declaration, or could not be looked at
	reply       *inbox.Reply  // nil: it is none
	meant       bool          // --app means that reply, so that it is checked as a declaration
	application string
	environment naming.Environment
	schema      string // that it was compared with
	note        lang.Text
	faults      []declaration.Fault
	already     *inbox.Submission
	twin        string // an earlier file with the same contents
	err         error
}

func (c *checked) fault(id, format string, args ...any) {
	c.faults = append(c.faults, declaration.Fault{ID: id, Message: problem.New(format, args...)})
}

func (c *checked) warning(id, format string, args ...any) {
	c.faults = append(c.faults, declaration.Fault{ID: id, Warning: true, Message: problem.New(format, args...)})
}

// foreign reports whether it is a reply, which is not sent.
func (c *checked) foreign() bool { return c.reply != nil && !c.meant }

// class is what this file alone ends with.
func (c *checked) class(strict bool) failure.Class {
	for _, f := range c.faults {
		if !f.Warning || strict {
			return failure.Failed
		}
	}
	switch {
	case c.err != nil:
		return failure.ClassOf(c.err)
	case c.already != nil || c.twin != "":
		return failure.AlreadySent
	}
	return failure.None
}

// checker has what all files are compared with.
type checker struct {
	app         *program
	options     checkOptions
	config      config.Config
	environment naming.Environment // from the flag; empty: see each file
	ledger      ledger.Ledger      // nil: there is none
	schemas     *schema.Dir        // nil: files are not compared with schemas
}

func runCheck(ctx context.Context, a *program, o checkOptions) (err error) {
	k := &checker{app: a, options: o}
	if k.config, err = a.config(); err != nil {
		return err
	}
	if o.out != "" && !o.crlf {
		return usagef("--out goes with --crlf")
	}
	if o.environment != "" {
		if k.environment, err = naming.ParseEnvironment(strings.ToUpper(o.environment)); err != nil {
			return &failure.UsageError{Err: err}
		}
	}
	if err := checkApplication(a, o.application); err != nil {
		return err
	}
	if o.parts {
		if _, err := inbox.PlanParts(o.files); err != nil {
			return &failure.UsageError{Err: err}
		}
	}
	dir := o.schemaDir
	if dir == "" {
		dir = k.config.Declaration.SchemaDir
	}
	if k.schemas, err = app.OpenSchemas(dir); err != nil {
		return err
	}
	if k.schemas != nil {
		defer func() { err = errors.Join(err, k.schemas.Close()) }()
	}
	if o.out != "" {
		if err := a.disk.MkdirAll(o.out); err != nil {
			return err
		}
	}
	k.openLedger(ctx)
	if k.ledger != nil {
		defer func() { err = errors.Join(err, k.ledger.Close()) }()
	}

	all := make([]checked, len(o.files))
	var total int64
	for _, f := range o.files {
		if info, err := os.Stat(f); err == nil {
			total += info.Size()
		}
	}
	bar := a.ui.progress("checking", a.ui.text("checking"), total, true)
	var work errgroup.Group
	work.SetLimit(runtime.NumCPU())
	for i, f := range o.files {
		work.Go(func() error {
			all[i] = k.check(ctx, f)
			if p := all[i].frozen; p != nil {
				bar.add(p.Size)
			}
			return nil
		})
	}
	_ = work.Wait() // each file has its own error
	if o.parts {
		decideTogether(all)
	}
	for i := range all {
		if c := &all[i]; c.frozen != nil && !c.foreign() {
			work.Go(func() error {
				k.checkContents(ctx, c)
				k.checkBeside(c)
				return nil
			})
		}
	}
	_ = work.Wait()
	bar.done()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	compareFiles(all, o.parts)
	return k.report(all)
}

// checkApplication looks at what --app says.
func checkApplication(a *program, code string) error {
	doubt, err := app.CheckApplication(code)
	if doubt != nil {
		a.ui.warn("%s", *doubt)
	}
	return err
}

// openLedger opens the ledger that is there. Without one nothing was sent.
func (k *checker) openLedger(ctx context.Context) {
	path := filepath.Join(k.config.StateDir, "ledger.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return
	}
	l, err := wire.OpenForReading(ctx, path)
	switch {
	case errors.Is(err, ledger.ErrOlder):
		k.app.ui.warn("whether a file was sent before is not known: the ledger is that of an older version of socbatch")
		k.app.ui.hint("bring it up to date with any other command, such as socbatch status")
	case err != nil:
		k.app.ui.warn("whether a file was sent before is not known: %s", err)
	default:
		k.ledger = l
	}
}

// check finds out what there is to know of one file.
func (k *checker) check(ctx context.Context, file string) (c checked) {
	c = checked{file: file, application: k.options.application, environment: k.environment}
	base := filepath.Base(file)
	kind, _, _ := strings.Cut(base, ".")
	c.reply = inbox.ReplyByName(file)
	if c.reply == nil && naming.Kind(kind).Valid() && kind != base {
		k.checkName(&c, base)
		switch naming.Kind(kind) {
		case naming.GO, naming.TD:
			k.checkEmpty(&c)
			return c
		case naming.FS:
			k.checkSignature(&c)
			return c
		}
	}
	if c.environment == "" {
		c.environment = naming.Environment(k.config.Environment)
	}
	p, err := k.look(ctx, &c, file)
	if c.reply == nil {
		c.reply = p.Reply
	}
	if c.reply != nil && c.err == nil {
		if c.meant = c.reply.Meant(k.options.application); !c.meant {
			if err == nil {
				c.frozen = p
			}
			c.isReply()
			return c
		}
	}
	if err != nil {
		return c
	}
	if k.options.crlf {
		if p = k.convert(ctx, &c, p); p == nil {
			return c
		}
	}
	c.frozen = p
	return c
}

// isReply says that the file is a reply. What a declaration would need does not
// matter then.
func (c *checked) isReply() {
	c.application, c.schema, c.faults = c.reply.Application, "", nil
	c.fault("", "%s", &inbox.ReplyError{Path: c.file, Reply: *c.reply})
}

// decideTogether decides the application of those parts of a declaration that by
// themselves do not say it.
func decideTogether(all []checked) {
	var parts []inbox.Frozen
	for _, c := range all {
		if c.frozen == nil || c.application != "" || c.foreign() {
			return
		}
		parts = append(parts, *c.frozen)
	}
	application, err := inbox.ApplicationOf(parts...)
	if err != nil {
		return
	}
	for i, p := range parts {
		if _, err := inbox.ApplicationOf(p); err != nil {
			all[i].application = application
		}
	}
}

// checkName looks at a name of the channel.
func (k *checker) checkName(c *checked, base string) {
	context := naming.Context{Account: k.config.Sender, Today: naming.DateOf(k.app.now()), Nearest: near.Application}
	if k.environment != "" {
		context.Folder = k.environment.Inbox()
	}
	for _, f := range naming.Validate(base, context) {
		c.faults = append(c.faults, declaration.Fault{ID: f.ID, Warning: f.Warning, Message: problem.New("%s", f)})
	}
	n, err := naming.Parse(base)
	if err != nil {
		return
	}
	c.name = &n
	if c.environment == "" {
		c.environment = n.Environment
	}
	if k.options.application != "" && k.options.application != n.Application {
		c.fault("", "it is named for application %s and --app says %s", n.Application, k.options.application)
	}
	c.application = n.Application
	if n.Kind == naming.FI && n.Parts == 0 {
		c.fault("", "its name has the old form without parts: add .1.1")
	}
}

// checkEmpty looks at a GO or TD file.
func (k *checker) checkEmpty(c *checked) {
	info, err := os.Stat(c.file)
	switch {
	case err != nil:
		c.err = &inbox.SourceError{Path: c.file, Err: err}
	case !info.Mode().IsRegular():
		c.err = &inbox.SourceError{Path: c.file, Err: inbox.ErrNotRegular}
	case info.Size() > 0:
		c.warning("", "it should be empty: only its name counts")
	}
}

// checkSignature looks at an FS file, and at the FI beside it.
func (k *checker) checkSignature(c *checked) {
	if c.name == nil {
		return
	}
	fi := filepath.Join(filepath.Dir(c.file), c.name.WithKind(naming.FI).String())
	in, err := openRegular(fi)
	if err != nil {
		c.warning("", "%s is not beside it, so the signature was not checked", c.name.WithKind(naming.FI))
		return
	}
	defer in.Close() //nolint:errcheck // only read
	if err := k.fits(in, c.file); err != nil {
		c.fault("ACRF-125", "it is not a signature of %s: %s", c.name.WithKind(naming.FI), err)
	}
}

// fits reports whether a signature file fits what it signs, whoever signed.
func (k *checker) fits(content io.Reader, signature string) error {
	info, err := os.Stat(signature)
	if err != nil || !info.Mode().IsRegular() {
		return problem.New("it is not a file")
	}
	fs, err := readLimited(signature, sign.MaxSignatureSize)
	if err != nil {
		return err
	}
	_, err = sign.Verify(content, fs, sign.VerifyOptions{Now: k.app.now(), SkipChain: true, SentForm: true})
	return err
}

func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = inbox.ErrNotRegular
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// look takes in a file. What cannot be taken in because of its size is a fault of
// the file.
func (k *checker) look(ctx context.Context, c *checked, path string) (*inbox.Frozen, error) {
	o := inbox.FreezeOptions{MaxSize: k.config.Declaration.MaxSize, Now: k.app.now()}
	if k.schemas != nil {
		o.Validate = func(ctx context.Context, location string, doc io.Reader) ([]declaration.Fault, error) {
			faults, found, err := app.CompareWithSchema(ctx, k.schemas, location, doc, k.options.schemaDir != "")
			if found {
				c.schema = schema.Name(location)
			}
			return faults, err
		}
	}
	p, err := inbox.Look(ctx, path, o)
	var source *inbox.SourceError
	switch {
	case errors.Is(err, inbox.ErrEmpty):
		c.fault(declaration.Empty, "the file is empty: write the declaration into it")
	case errors.Is(err, inbox.ErrTooLarge) && errors.As(err, &source):
		c.fault("ACRF-184", "%s", source.Err)
	case err != nil:
		c.err = err
	}
	return &p, err
}

// convert writes a copy with other line ends, where they are to be other, and
// looks at that. It gives nil where that fails.
func (k *checker) convert(ctx context.Context, c *checked, p *inbox.Frozen) *inbox.Frozen {
	switch {
	case !p.Info.Readable():
		c.note = text("no copy was written, since it is no XML that can be read")
		return p
	case p.LineEnds.CR+p.LineEnds.LF == 0:
		c.note = text("no copy was written, since every line ends in CR LF already")
		return p
	}
	to, err := copyName(c.file, k.options.out)
	if err == nil {
		err = inbox.Convert(&k.app.disk, c.file, to, k.config.Declaration.MaxSize)
	}
	if err != nil {
		c.err = err
		return nil
	}
	c.copy = to
	converted, err := k.look(ctx, c, to)
	if err != nil {
		return nil
	}
	if converted.Hash != p.CRLF {
		c.err = &inbox.SourceError{Path: c.file, Err: inbox.ErrChanging}
		return nil
	}
	return converted
}

// copyName is where the copy of a file with other line ends goes.
func copyName(file, dir string) (string, error) {
	base := filepath.Base(file)
	if dir != "" {
		return filepath.Join(dir, base), nil
	}
	if kind, _, ok := strings.Cut(base, "."); ok && naming.Kind(kind).Valid() {
		return "", errorf("%s: its name would not be that of a declaration any more, and no copy was written: give a directory for the copy with --out DIR", file)
	}
	ext := filepath.Ext(base)
	return filepath.Join(filepath.Dir(file), strings.TrimSuffix(base, ext)+".crlf"+ext), nil
}

// checkContents finds the faults of what a declaration says, and whether it was
// sent before.
func (k *checker) checkContents(ctx context.Context, c *checked) {
	p := c.frozen
	if c.application == "" && p.Root != "" {
		application, err := inbox.ApplicationOf(*p)
		c.application = application
		if err != nil && p.Info.Readable() && !p.Mixed() {
			c.fault("", "%s: say which with --app CODE; socbatch name --applications lists them", err)
		}
	}
	c.faults = append(c.faults, p.Faults(c.application, c.environment)...)
	if f, found := p.LineEndFault(); found && p.Info.Readable() {
		c.faults = append(c.faults, f)
	}
	if k.ledger == nil {
		return
	}
	filter := ledger.Filter{Sender: k.config.Sender, Environment: c.environment, Application: c.application}
	if c.name != nil && filter.Sender == "" {
		filter.Sender = c.name.Sender
	}
	sent, err := k.ledger.Holders(ctx, filter, p.Contents())
	if err != nil {
		c.err = err
		return
	}
	if len(sent) > 0 {
		c.already = &sent[0]
		return
	}
	if c.name == nil {
		return
	}
	_, err = k.ledger.Find(ctx, c.name.String())
	switch {
	case err == nil:
		c.fault("ACRF-133", "the name was used already, for other contents: rename the file with another sequence")
	case !errors.Is(err, ledger.ErrNoSubmission):
		c.err = err
	}
}

// checkBeside looks at the FS and GO that lie beside an FI. Submit makes its own.
func (k *checker) checkBeside(c *checked) {
	if c.name == nil || c.name.Kind != naming.FI {
		return
	}
	checkedFile := c.file
	if c.copy != "" {
		checkedFile = c.copy
	}
	dir := filepath.Dir(checkedFile)
	fs := filepath.Join(dir, c.name.WithKind(naming.FS).String())
	if _, err := os.Lstat(fs); err == nil {
		if in, err := openRegular(checkedFile); err == nil {
			if err := k.fits(in, fs); err != nil {
				c.warning("ACRF-125", "%s beside it is not its signature (%s): submit makes another one", filepath.Base(fs), err)
			}
			_ = in.Close() // only read
		}
	}
	set := c.name.Set()
	if info, err := os.Lstat(filepath.Join(dir, set.GO().String())); err == nil && info.Size() > 0 {
		c.warning("", "%s beside it should be empty: only its name counts", set.GO())
	}
}

// compareFiles finds what is wrong between files: contents that are there twice,
// and sets that are not complete.
func compareFiles(all []checked, together bool) {
	seen := map[inbox.Hash]int{}
	sets := map[string][]int{}
	for i := range all {
		c := &all[i]
		if c.name != nil && c.name.Kind == naming.FI && c.name.Parts > 0 {
			sets[c.name.SetKey()] = append(sets[c.name.SetKey()], i)
		}
		if c.frozen == nil || c.foreign() {
			continue
		}
		for _, h := range c.frozen.Contents() {
			if first, found := seen[h]; found && all[first].application == c.application {
				c.twin = all[first].file
				break
			}
		}
		for _, h := range c.frozen.Contents() {
			if _, found := seen[h]; !found {
				seen[h] = i
			}
		}
		if together && i > 0 {
			compareParts(&all[0], c)
		}
	}
	for _, members := range sets {
		completeSet(all, members)
	}
}

// compareParts compares a part of a declaration with the first one.
func compareParts(first, c *checked) {
	if c.twin != "" {
		c.fault("", "it has the same contents as %s, which is another part", c.twin)
		c.twin = ""
	}
	if first.frozen == nil || first.foreign() {
		return
	}
	if a, b := first.application, c.application; a != "" && b != "" && a != b {
		c.fault("ACRF-158", "it is for application %s, and the first part is for %s: the parts of a declaration have one application", b, a)
	}
	if a, b := first.frozen.Info.SchemaVersion, c.frozen.Info.SchemaVersion; a != "" && b != "" && a != b {
		c.warning(declaration.SeveralVersions, "it names version %s of the schema, and the first part names %s", b, a)
	}
}

// completeSet looks whether all parts of a named set are among the files.
func completeSet(all []checked, members []int) {
	first := &all[members[0]]
	parts := map[int]string{}
	for _, i := range members {
		c := &all[i]
		if c.name.Parts != first.name.Parts {
			c.fault("ACRF-120", "its name says that the set has %d parts, %s says %d", c.name.Parts, filepath.Base(first.file), first.name.Parts)
			return
		}
		if other, twice := parts[c.name.Part]; twice {
			c.fault("ACRF-133", "%s has the same name", other)
		}
		parts[c.name.Part] = c.file
	}
	for n := range first.name.Parts {
		if _, there := parts[n+1]; !there {
			first.fault("ACRF-120", "the set has %d parts and %s is not among the files", first.name.Parts, first.name.Set().FI(n+1))
		}
	}
}

// report prints what was found and decides the exit code.
func (k *checker) report(all []checked) error {
	u := k.app.ui
	strict := k.options.strict
	var classes []failure.Class
	wrong, already := 0, 0
	list := []contract.Checked{}
	replies := false
	for i := range all {
		c := &all[i]
		replies = replies || c.foreign()
		slices.SortStableFunc(c.faults, func(a, b declaration.Fault) int {
			if a.Warning != b.Warning {
				if a.Warning {
					return 1
				}
				return -1
			}
			return a.Line - b.Line
		})
		class := c.class(strict)
		classes = append(classes, class)
		switch class {
		case failure.None:
		case failure.AlreadySent:
			already++
		default:
			wrong++
		}
		k.print(c, class)
		list = append(list, checkedJSON(c, class))
	}
	if replies {
		u.hint(wording.ReadReplies)
	}
	if len(all) > 1 {
		u.say("%s: %d ok, %d wrong, %d already sent", count(len(all), "%d file", "%d files"), len(all)-wrong-already, wrong, already)
	}
	out := contract.Check{Files: list}
	class := failure.Together(classes)
	if class == failure.None {
		u.object(out)
		return nil
	}
	err := errorf("%d of %d files are wrong", wrong, len(all))
	if wrong == 0 {
		err = errorf("%d of %d files were sent already", already, len(all))
	}
	err = failure.New(class, err)
	x := explain(err)
	out.Error = &x
	u.object(out)
	return toldError{err}
}

func (k *checker) print(c *checked, class failure.Class) {
	u := k.app.ui
	file := printable(c.file)
	if c.copy != "" {
		u.result("%s  %s → %s", u.mark("stored", u.text("written")), file, printable(c.copy))
		file = printable(c.copy)
	}
	detail := ""
	if p := c.frozen; p != nil && c.application != "" && !(c.foreign() && p.Info.Forms == 0) {
		detail = "  " + c.application + ", " + u.in(count(p.Info.Forms, "%d form", "%d forms"))
		if c.schema != "" {
			detail += ", " + u.text("compared with %s", printable(c.schema))
		}
	}
	switch class {
	case failure.None:
		u.result("%s  %s%s", u.mark("accepted", u.text("ok")), file, detail)
	case failure.AlreadySent:
		u.result("%s  %s%s", u.mark("prepared", u.text("already sent")), file, detail)
	default:
		u.result("%s  %s%s", u.mark("refused", u.text("wrong")), file, detail)
	}
	if c.err != nil {
		u.result("  %s", checkErrorWords(c.err))
	}
	if note := u.in(c.note); note != "" {
		u.result("  %s", note)
	}
	for _, f := range c.faults {
		said := text("%s", f)
		if f.ID != "" {
			said = text("%s: %s", f.ID, f)
		}
		if f.Warning {
			said = text("%s %s", text("warning:"), said)
		}
		u.result("  %s", said)
	}
	if s := c.already; s != nil {
		at := s.SentAt
		if at.IsZero() {
			at = s.CreatedAt
		}
		u.result("  %s", text("it has the contents of %s of %s (now %s)", s.Set, wording.Clock(at), wording.State(s.State)))
	}
	if c.twin != "" {
		u.result("  %s", text("it has the same contents as %s: they are sent once", printable(c.twin)))
	}
}

// checkErrorWords says why a file could not be checked.
func checkErrorWords(err error) lang.Text {
	var source *inbox.SourceError
	if errors.As(err, &source) {
		return text("%s; it was not checked", wording.SourceReason(source))
	}
	return explain(err).Message
}

func checkedJSON(c *checked, class failure.Class) contract.Checked {
	out := contract.Checked{
		File: c.file, Copy: c.copy, OK: class == failure.None, Code: contract.ExitCode(class), Application: c.application, Environment: string(c.environment),
		ComparedWith: c.schema, SameAs: c.twin, Faults: []contract.Fault{},
	}
	if c.reply != nil {
		out.Reply = &contract.ReplyKind{Application: c.reply.Application, Kind: c.reply.Kind}
	}
	if p := c.frozen; p != nil {
		out.Root, out.Schema, out.Forms, out.Size, out.SHA256 = p.Root, p.Info.Schema, p.Info.Forms, p.Size, p.Hash.String()
	}
	for _, f := range c.faults {
		out.Faults = append(out.Faults, contract.Fault{ID: f.ID, Warning: f.Warning, Line: f.Line, Message: f.String()})
	}
	if s := c.already; s != nil {
		out.AlreadySent = &contract.AlreadySent{Name: s.Set.String(), State: string(s.State)}
		if !s.SentAt.IsZero() {
			out.AlreadySent.SentAt = &s.SentAt
		}
	}
	if c.err != nil {
		x := explain(c.err)
		x.Message = checkErrorWords(c.err)
		out.Error = &x
	}
	return out
}
