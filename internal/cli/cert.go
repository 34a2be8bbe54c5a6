package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

type certOptions struct {
	file string
	out  string
	pem  bool
}

func newCertCmd(a *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Show the signing certificate, and write it for the portal",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCertShowCmd(a, runCertShow), newCertExportCmd(a, runCertExport))
	return cmd
}

func newCertShowCmd(a *program, run func(context.Context, *program, certOptions) error) *cobra.Command {
	var o certOptions
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show owner, issuer, validity and fingerprints of a certificate",
		Long: `Show owner, issuer, validity and fingerprints of a certificate.

FILE is a .p12 or .pfx, or a .cer, .crt or .pem, which needs no password. Without
one the configured certificate is shown, and the one that is to follow it, and
which of them signs now.`,
		Example: `  socbatch cert show
  socbatch cert show registered.cer`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.file = args[0]
			}
			return run(cmd.Context(), a, o)
		},
	}
	a.p12Flags(cmd.Flags())
	return cmd
}

func newCertExportCmd(a *program, run func(context.Context, *program, certOptions) error) *cobra.Command {
	var o certOptions
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write the certificate without its key, for the portal",
		Long: `Write the certificate without its key, for the portal: that is the .cer which is
registered there. FILE is a .p12; without one it is the configured one. No file
is replaced.`,
		Example: `  socbatch cert export
  socbatch cert export new.p12 --out new.cer`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.file = args[0]
			}
			return run(cmd.Context(), a, o)
		},
	}
	a.p12Flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.out, "out", "o", "", "`FILE` to write (default: the name of the .p12 with .cer)")
	cmd.Flags().BoolVar(&o.pem, "pem", false, "write text (PEM) instead of DER")
	return cmd
}

// shownCert is a certificate on display.
type shownCert struct {
	path, role string // role: current, next; empty for a file that was named
	cert       *x509.Certificate
	unfit      error // why it may not sign
	signs      bool  // it is the one that signs now
}

func runCertShow(ctx context.Context, a *program, o certOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	var list []shownCert
	switch {
	case o.file != "":
		list = []shownCert{{path: o.file}}
	case c.Identity.P12 == "":
		return noCertificate()
	default:
		list = []shownCert{{path: c.Identity.P12, role: "current"}}
		if c.Identity.Next.P12 != "" {
			list = append(list, shownCert{path: c.Identity.Next.P12, role: "next"})
		}
	}
	for i := range list {
		s := &list[i]
		if s.cert, err = a.readCertificate(ctx, c, s.path); err != nil {
			return err
		}
		s.unfit = sign.CheckCertificate(s.cert, a.now())
	}
	if o.file == "" {
		next := nextFromToday(c.Identity, a.now()) || len(list) > 1 && errors.Is(list[0].unfit, sign.ErrExpired)
		s := &list[0]
		if next {
			s = &list[1]
		}
		s.signs = s.unfit == nil
	}
	out := []jsonCert{}
	for i, s := range list {
		if i > 0 {
			a.ui.result("")
		}
		a.printCertificate(c, s)
		out = append(out, certJSON(s, a.now()))
	}
	a.warnOfEnd(c)
	a.ui.object(map[string]any{"certificates": out})
	return nil
}

func noCertificate() error {
	return credentialf(text("name a file, or put p12 = \"FILE\" under [identity] in the configuration"), "no certificate is configured; nothing can be shown")
}

// readCertificate reads a certificate from a .p12, with its password, or from a
// file that needs none.
func (a *program) readCertificate(ctx context.Context, c config.Config, path string) (*x509.Certificate, error) {
	failed := func(err error) error {
		hint := text("name the file of a certificate: .p12, .pfx, .cer, .crt or .pem")
		switch {
		case sign.ConvertHint(err) != "":
			hint = text("convert it once:\n%s", sign.ConvertHint(err))
		case errors.Is(err, sign.ErrWrongPassword):
			hint = text("check the password, or the file that holds it")
		}
		return credentialf(hint, "certificate %s: %s; nothing can be shown", path, err)
	}
	data, err := readWithin(path, sign.MaxCertificatesSize)
	if err != nil {
		return nil, failed(err)
	}
	certs, err := sign.ParseCertificates(data)
	if err == nil {
		for _, cert := range certs { // of a chain, the one at its end
			if !cert.IsCA {
				return cert, nil
			}
		}
		return certs[0], nil
	}
	if strings.Contains(string(data), "-----BEGIN CERTIFICATE") {
		return nil, failed(err)
	}
	switch absolute(path) {
	case absolute(c.Identity.P12):
	case absolute(c.Identity.Next.P12):
		c.Identity = nextIdentity(c.Identity)
	default:
		c.Identity = config.Identity{P12: path, Password: c.Identity.Password}
	}
	if err := sign.SniffPKCS12(path); err != nil {
		return nil, failed(err)
	}
	pass, err := a.secret(ctx, c, a.passwordOf(c.Identity))
	if err != nil {
		return nil, errorf("certificate %s: %s; nothing can be shown", path, err)
	}
	id, err := sign.ReadPKCS12(data, pass, a.now())
	if err != nil {
		return nil, failed(err)
	}
	a.sawCertificate(c, path, id.Certificate())
	return id.Certificate(), nil
}

// readWithin reads a file up to a size, and one byte more.
func readWithin(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return io.ReadAll(io.LimitReader(f, most+1))
}

func (a *program) printCertificate(c config.Config, s shownCert) {
	info := sign.Describe(s.cert)
	var f fields
	f.add(text("file"), printable(displayPath(s.path)))
	f.add(text("owner"), info.Owner)
	f.add(text("issuer"), info.Issuer)
	f.add(text("serial number"), info.Serial)
	left := count(daysLeft(a.now(), info.NotAfter), "%d day left", "%d days left")
	if a.now().After(info.NotAfter) {
		left = text("ended")
	}
	f.add(text("valid"), a.ui.text("%s to %s, %s", day(info.NotBefore), day(info.NotAfter), left))
	f.add(text("key"), info.Key)
	usage := a.ui.text("not restricted")
	if len(info.KeyUsage) > 0 {
		usage = strings.Join(info.KeyUsage, ", ")
	}
	f.add(text("key usage"), usage)
	f.add(lang.Plain("SHA-256"), info.Fingerprint)
	f.add(lang.Plain("SHA-1"), info.SHA1)
	fit := text("yes")
	if s.unfit != nil {
		fit = text("no: %s", s.unfit)
	}
	f.add(text("can sign"), a.ui.in(fit))
	if s.role != "" {
		f.add(text("signs now"), a.ui.in(turnWords(c.Identity, s)))
	}
	a.ui.fields("", f)
}

// turnWords says whether one of the configured certificates is the one that
// signs now.
func turnWords(i config.Identity, s shownCert) lang.Text {
	from, err := naming.Date(i.Next.From).Time()
	switch {
	case s.signs:
		return text("yes")
	case s.unfit != nil, s.role != "next":
		return text("no")
	case err == nil:
		return text("no: from %s on, or when the other has ended", day(from))
	}
	return text("no: when the other has ended")
}

func runCertExport(ctx context.Context, a *program, o certOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if o.file == "" {
		o.file = c.Identity.P12
	}
	if o.file == "" {
		return noCertificate()
	}
	if o.out == "" {
		o.out = strings.TrimSuffix(o.file, filepath.Ext(o.file)) + ".cer"
	}
	there := func() error {
		return failure.New(failure.Failed,
			errorf("%s is there already and was not replaced; nothing was written", displayPath(o.out)),
			text("name another file with --out"))
	}
	if _, err := os.Lstat(o.out); err == nil {
		return there()
	}
	cert, err := a.readCertificate(ctx, c, o.file)
	if err != nil {
		return err
	}
	content, form := cert.Raw, "DER"
	if o.pem {
		content, form = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), "PEM"
	}
	err = a.disk.WriteNew(o.out, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return there()
	}
	if err != nil {
		return err
	}
	s := shownCert{path: o.file, cert: cert, unfit: sign.CheckCertificate(cert, a.now())}
	info := sign.Describe(cert)
	a.ui.result("written  %s  certificate of %s, valid until %s (%s)", printable(displayPath(o.out)), info.Owner, day(info.NotAfter), form)
	a.ui.result("%s", "SHA-1  "+info.SHA1)
	if s.unfit != nil {
		a.ui.warn("nothing can be signed with this certificate: %s", s.unfit)
	}
	a.ui.hint("register this file on the portal of the social security, with your channel (Chaman); the .p12 and its password stay here")
	a.ui.object(map[string]any{"file": o.out, "form": form, "certificate": certJSON(s, a.now())})
	return nil
}

// jsonCert is a certificate for programs.
type jsonCert struct {
	File      string    `json:"file"`
	Role      string    `json:"role,omitempty"` // current, next
	Owner     string    `json:"owner"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	DaysLeft  int       `json:"days_left"`
	Key       string    `json:"key"`
	KeyUsage  []string  `json:"key_usage"`
	SHA256    string    `json:"sha256"`
	SHA1      string    `json:"sha1"`
	CanSign   bool      `json:"can_sign"`
	Problem   string    `json:"problem,omitempty"`
	SignsNow  bool      `json:"signs_now"`
}

func certJSON(s shownCert, now time.Time) jsonCert {
	i := sign.Describe(s.cert)
	out := jsonCert{
		File: s.path, Role: s.role, Owner: i.Owner, Issuer: i.Issuer, Serial: i.Serial,
		NotBefore: i.NotBefore.UTC(), NotAfter: i.NotAfter.UTC(), DaysLeft: daysLeft(now, i.NotAfter),
		Key: i.Key, KeyUsage: append([]string{}, i.KeyUsage...), SHA256: i.Fingerprint, SHA1: i.SHA1,
		CanSign: s.unfit == nil, SignsNow: s.signs,
	}
	if s.unfit != nil {
		out.Problem = s.unfit.Error()
	}
	return out
}
