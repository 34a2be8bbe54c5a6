package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/socbatch/socbatch/internal/app"
	"github.com/socbatch/socbatch/internal/contract"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/failure"
	"github.com/socbatch/socbatch/internal/wording"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

type signOptions struct {
	files  []string
	output string
	text   string
	chain  bool
	force  bool
}

func newSignCmd(a *program, run func(context.Context, *program, signOptions) error) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign FILE…",
		Short: "Make the signature files of declarations",
		Long: `Make the signature files of declarations, and send nothing.

The signature of FI.… is written beside it as FS.…, that of any other FILE as
FILE.FS. It is a detached PKCS#7 over the exact bytes of the file, in base64
without header lines.`,
		Example: `  socbatch sign --p12 me.p12 FI.DMFA.101380.20260930.00001.R.1.1`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return run(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	a.p12Flags(f)
	f.StringVarP(&o.output, "output", "o", "", "write the signature to `FILE`; - is standard output")
	f.StringVar(&o.text, "text", "", "form of the text: 64-crlf, 76-cr or one-line")
	f.BoolVar(&o.chain, "chain", false, "put the issuers' certificates in as well")
	f.BoolVarP(&o.force, "force", "f", false, "replace a signature file that is there")
	return cmd
}

func runSign(ctx context.Context, a *program, o signOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if o.output != "" && len(o.files) > 1 {
		return usagef("--output goes with one file")
	}
	if o.text != "" {
		c.Identity.Text = o.text
	}
	form, err := app.TextForm(c)
	if err != nil {
		return err
	}
	id, err := a.certificates().Open(ctx, c, false)
	if err != nil {
		return err
	}
	if id == nil {
		return credentialf(text("give the file of your certificate with --p12 FILE, or configure it"), "no certificate is configured; nothing was signed")
	}

	targets := make([]string, len(o.files))
	for i, f := range o.files {
		if targets[i] = o.output; o.output == "" {
			targets[i] = signatureOf(f)
		}
		if targets[i] != "-" && !o.force {
			if _, err := os.Lstat(targets[i]); err == nil {
				return errorf("%s is there already and was not replaced, and nothing was signed: use --force, or another --output", targets[i])
			}
		}
	}
	reports := make([]sign.Report, len(o.files))
	done := make([]bool, len(o.files))
	var total int64
	for _, f := range o.files {
		if info, err := os.Stat(f); err == nil {
			total += info.Size()
		}
	}
	bar := a.ui.progress("signing", a.ui.text("signing"), total, true)
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.NumCPU()) // one flushes its file while another computes
	opts := sign.Options{IncludeChain: o.chain || c.Identity.IncludeChain}
	for i, f := range o.files {
		work.Go(func() (err error) {
			reports[i], err = signFile(wctx, a, bar, f, targets[i], id, opts, form)
			done[i] = err == nil
			return err
		})
	}
	err = work.Wait()
	bar.done()
	list := []contract.Signature{}
	var unclean []string
	owner := sign.Describe(id.Certificate()).Owner
	for i, f := range o.files {
		rep := reports[i]
		if !done[i] {
			continue // the error says why
		}
		if !rep.LineEnds.Clean() {
			unclean = append(unclean, printable(f))
		}
		list = append(list, contract.Signature{File: f, FS: targets[i], SHA256: fmt.Sprintf("%x", rep.SHA256), Size: rep.Bytes, Signer: owner})
		if targets[i] != "-" {
			a.ui.result("signed  %s  by %s → %s", printable(f), printable(owner), printable(targets[i]))
		}
	}
	const named = 3
	if n := len(unclean); n > named {
		unclean = append(unclean[:named], a.ui.text("and %d more", n-named))
	}
	if len(unclean) > 0 {
		a.ui.warn("%s: not every line ends in CR LF (or there are NUL bytes); some programs would check such a signature over other bytes", strings.Join(unclean, ", "))
	}
	if err != nil {
		return err
	}
	a.ui.object(contract.Signatures{Signatures: list})
	return nil
}

func signatureOf(file string) string {
	base := filepath.Base(file)
	if n, err := naming.Parse(base); err == nil && (n.Kind == naming.FI || n.Kind == naming.FO || n.Kind == naming.CO) {
		return filepath.Join(filepath.Dir(file), n.WithKind(naming.FS).String())
	}
	return file + ".FS"
}

func signFile(ctx context.Context, a *program, bar *progress, file, target string, id *sign.Identity, opts sign.Options, form sign.TextForm) (sign.Report, error) {
	in, err := os.Open(file)
	if err != nil {
		return sign.Report{}, err
	}
	defer in.Close() //nolint:errcheck // only read
	der, rep, err := sign.Sign(ctx, bar.reader(in), id, opts)
	if err != nil {
		return rep, errorf("%s: %s; it was not signed", file, err)
	}
	text := sign.EncodeText(der, form)
	if target == "-" {
		if a.ui.json {
			return rep, usagef("--json and the signature cannot both go to standard output")
		}
		_, err = a.ui.out.Write(text)
		return rep, err
	}
	var disk durable.Disk
	return rep, disk.WriteFile(target, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

func sizeOf(f *os.File) int64 {
	if info, err := f.Stat(); err == nil {
		return info.Size()
	}
	return -1
}

type verifyOptions struct {
	file      string
	signature string
	roots     string
	noRoots   bool
}

func newVerifyCmd(a *program, run func(context.Context, *program, verifyOptions) error) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify FILE [SIGNATURE]",
		Short: "Check the signature of a file",
		Long: `Check the signature of a file: of a declaration (FI and FS) or of a reply (FO and
FS). Without a SIGNATURE the FS beside the file is used. Exit code 0 means that
the signature is valid, by a signer whom the trusted roots vouch for.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			if len(args) > 1 {
				o.signature = args[1]
			}
			return run(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVar(&o.roots, "roots", "", "PEM `FILE` of the root certificates to trust (default: replies.trusted_roots)")
	cmd.Flags().BoolVar(&o.noRoots, "any-signer", false, "do not ask who the signer is, only whether the signature fits the file")
	return cmd
}

func runVerify(_ context.Context, a *program, o verifyOptions) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if o.roots != "" {
		c.Replies.TrustedRoots = o.roots
	}
	opts := sign.VerifyOptions{Now: a.now(), SkipChain: o.noRoots}
	if !o.noRoots {
		if opts.Roots, err = app.ReplyRoots(c); err != nil {
			return err
		}
		if opts.Roots == nil {
			return usagef("whom to trust? give the root certificates with --roots FILE, or --any-signer")
		}
	}
	if o.signature == "" {
		o.signature = signatureOf(o.file)
	}
	fs, err := readLimited(o.signature, sign.MaxSignatureSize)
	if err != nil {
		return err
	}
	in, err := os.Open(o.file)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	bar := a.ui.progress("checking", a.ui.text("checking"), sizeOf(in), true)
	sig, err := sign.Verify(bar.reader(in), fs, opts)
	bar.done()
	if err != nil {
		return failure.New(failure.Failed, errorf("%s: %s; do not rely on this file", o.file, err))
	}
	info := sign.Describe(sig.Signer)
	a.ui.result("valid  %s", printable(o.file))
	var f fields
	f.add(text("signed by"), printable(info.Owner))
	f.add(text("issued by"), printable(info.Issuer))
	if !sig.SigningTime.IsZero() {
		f.add(text("signed at"), a.ui.text("%s, as the signer says", wording.Clock(sig.SigningTime)))
	}
	f.add(text("algorithm"), sig.Key+", "+sig.Digest)
	a.ui.fields("  ", f)
	if o.noRoots {
		a.ui.warn("who the signer is was not checked")
	}
	a.ui.object(contract.Verified{
		File: o.file, Valid: true, ChainChecked: !o.noRoots, Signer: info.Owner, Issuer: info.Issuer,
		Serial: info.Serial, Fingerprint: info.Fingerprint, SigningTime: sig.SigningTime, Key: sig.Key, Digest: sig.Digest,
	})
	return nil
}

func readLimited(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, errorf("%s is too large to be a signature", path)
	}
	return b, nil
}
