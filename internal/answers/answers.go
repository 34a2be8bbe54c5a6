// Package answers reads the replies that outbox stored, ties them to what was
// sent, and keeps in the ledger what they say. A reply that cannot be read
// stays in the archive and is reported; it stops nothing.
package answers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// Ledger is what answers asks of the ledger.
type Ledger interface {
	UnreadReplies(ctx context.Context) ([]ledger.Reply, error)
	AddAnswers(ctx context.Context, r ledger.Reply, answers []ledger.Answer) error
	ReadReply(ctx context.Context, r ledger.Reply) ([]inbox.Submission, error)
	FlagReply(ctx context.Context, r ledger.Reply) error
}

// Reader reads stored replies.
type Reader struct {
	Ledger  Ledger
	Archive string         // root of the archive
	Roots   *x509.CertPool // whom to trust for the signatures of replies; nil: they are not checked
	// Demand lets only replies with a valid signature count. Others are flagged
	// in the ledger and stay unread: the next run looks at them again.
	Demand bool
	Now    func() time.Time
	// Sealed opens a reply that lies encrypted, by its path in clear; nil: none
	// can be opened.
	Sealed func(path string) (*seal.File, error)
}

// Result is what one reply gave.
type Result struct {
	Reply    ledger.Reply
	Kind     reply.Kind
	Outcomes map[string]int // forms by outcome
	// Submissions are the sets that the reply answers, as they are now. A reply
	// that answers nothing of ours is normal.
	Submissions []inbox.Submission
	Unmatched   int // forms that match no set
	Ambiguous   int // forms that match several sets
	// Elsewhere are the keys of names in the reply under which somebody else
	// delivered, at most maxElsewhere.
	Elsewhere []string
}

const maxElsewhere = 5

// What checking a signature gave; valid ones are followed by who signed.
const (
	SignatureNone       = "none"        // there is no FS
	SignatureNotChecked = "not checked" // no roots are configured
	SignatureValid      = "valid: "
	SignatureInvalid    = "not valid: "
)

// chunk is how many answers and anomalies are entered at once, about. One form
// may have thousands of anomalies.
const chunk = 1000

// Unread reads every stored reply that was not read yet, also those of earlier
// runs, oldest first.
func (r *Reader) Unread(ctx context.Context) ([]Result, error) {
	unread, err := r.Ledger.UnreadReplies(ctx)
	if err != nil {
		return nil, err
	}
	// Receipts come first in the list, and are read first: a notification may
	// name a set by the ticket of its receipt.
	receipts := 0
	for receipts < len(unread) && unread[receipts].Application == receiptApplication {
		receipts++
	}
	out, err := r.readAll(ctx, unread[:receipts])
	if err != nil {
		return out, err
	}
	rest, err := r.readAll(ctx, unread[receipts:])
	return append(out, rest...), err
}

const receiptApplication = "ACRF"

// together is how many replies are read at once: the ledger's flushes are
// shared by those that wait for one.
const together = 32

// readAll reads replies side by side. The results keep their order; those
// that were read are given also with an error.
func (r *Reader) readAll(ctx context.Context, unread []ledger.Reply) ([]Result, error) {
	out := make([]Result, len(unread))
	done := make([]bool, len(unread))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for i, u := range unread {
		g.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			res, err := r.read(gctx, u)
			if err != nil {
				return fmt.Errorf("read reply %s: %w", u.Name, err)
			}
			out[i], done[i] = res, true
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		return out, nil
	}
	read := out[:0]
	for i, res := range out {
		if done[i] {
			read = append(read, res)
		}
	}
	return read, err
}

// read reads one reply. Its error is about the ledger; what is wrong with the
// reply itself stands in Reply.Problem.
func (r *Reader) read(ctx context.Context, u ledger.Reply) (Result, error) {
	res := Result{Reply: u, Outcomes: map[string]int{}}
	res.Reply.Signature, res.Reply.Problem = r.Signature(u), ""
	if r.Demand && !Valid(res.Reply.Signature) {
		res.Reply.Problem = ProblemSignature
		return res, r.Ledger.FlagReply(ctx, res.Reply)
	}
	var ledgerErr error
	var batch []ledger.Answer
	weight := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		ledgerErr = r.Ledger.AddAnswers(ctx, u, batch)
		for _, a := range batch {
			if a.Elsewhere != "" && len(res.Elsewhere) < maxElsewhere && !slices.Contains(res.Elsewhere, a.Elsewhere) {
				res.Elsewhere = append(res.Elsewhere, a.Elsewhere)
			}
			switch {
			case a.MatchedBy == ledger.Ambiguous:
				res.Ambiguous++
			case a.SubmissionID == 0:
				res.Unmatched++
			}
		}
		clear(batch)
		batch, weight = batch[:0], 0
		return ledgerErr
	}
	summary, err := r.Forms(u, func(f *reply.Form) error {
		a, ok := AnswerOf(f)
		if !ok {
			return nil
		}
		res.Outcomes[a.Outcome]++
		batch = append(batch, a)
		if weight += 1 + len(a.Anomalies); weight < chunk {
			return nil
		}
		return flush()
	})
	if ferr := flush(); ferr != nil {
		return res, ferr
	}
	if ledgerErr != nil {
		return res, ledgerErr
	}
	if err != nil {
		res.Reply.Problem = err.Error()
		if aboutDisk(err) {
			// The archive may be back the next time: the reply stays unread.
			return res, nil
		}
	}
	res.Kind = summary.Kind
	res.Reply.Root, res.Reply.Forms = summary.Root, summary.Forms
	res.Submissions, err = r.Ledger.ReadReply(ctx, res.Reply)
	return res, err
}

func (r *Reader) path(rel string) string {
	return filepath.Join(r.Archive, filepath.FromSlash(rel))
}

// Valid reports whether a result of Signature is that of a valid one.
func Valid(signature string) bool { return strings.HasPrefix(signature, SignatureValid) }

// ProblemSignature is the Reply.Problem of a reply that does not count.
const ProblemSignature = "its signature is not valid, and replies.require_signature is set"

// Signature checks the FS of a reply and says in words what came of it.
func (r *Reader) Signature(u ledger.Reply) string {
	if u.FSPath == "" {
		return SignatureNone
	}
	if r.Roots == nil {
		return SignatureNotChecked
	}
	info, err := r.verify(u)
	if errors.Is(err, fs.ErrNotExist) && !u.SealedAt.IsZero() {
		return u.Signature // as it was found before the files were encrypted
	}
	if err != nil {
		return SignatureInvalid + err.Error()
	}
	return SignatureValid + info
}

func (r *Reader) verify(u ledger.Reply) (string, error) {
	f, err := os.Open(r.path(u.Path))
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := os.Stat(r.path(u.FSPath))
	if err != nil {
		return "", err
	}
	if info.Size() > sign.MaxSignatureSize {
		return "", errors.New("the signature file is too large")
	}
	text, err := os.ReadFile(r.path(u.FSPath))
	if err != nil {
		return "", err
	}
	sig, err := sign.Verify(f, text, sign.VerifyOptions{Roots: r.Roots, Now: r.Now()})
	if err != nil {
		return "", err
	}
	return sign.Describe(sig.Signer).Owner, nil
}

// AnswerOf turns a form into what the ledger keeps. Values and free text are
// left out: they may be personal.
func AnswerOf(f *reply.Form) (ledger.Answer, bool) {
	a := ledger.Answer{Position: f.Index, Tickets: f.Tickets(), References: f.OwnReferences()}
	switch f.Kind {
	case reply.Receipt:
		a.Kind = ledger.KindReceipt
	case reply.Notification:
		a.Kind = ledger.KindNotification
	default:
		return a, false
	}
	switch f.Outcome {
	case reply.Accepted:
		a.Outcome = ledger.OutcomeAccepted
	case reply.AcceptedWithRemarks:
		a.Outcome = ledger.OutcomeRemarks
	case reply.Refused:
		a.Outcome = ledger.OutcomeRefused
	case reply.ToValidate:
		a.Outcome = ledger.OutcomeToValidate
	default:
		a.Outcome = ledger.OutcomeUnknown
	}
	if f.File != nil {
		a.FileName = strings.TrimSpace(f.File.Name)
	}
	a.Sender = senderOf(f.SenderID)
	a.MadeAt, _ = naming.Moment(f.CreationDate, f.CreationHour)
	if f.Handled != nil {
		a.Date, a.Hour = f.Handled.CreationDate, f.Handled.CreationHour
	}
	for _, id := range f.ErrorIDs {
		a.Anomalies = append(a.Anomalies, ledger.Anomaly{ErrorID: id})
	}
	for i := range f.Anomalies {
		x := &f.Anomalies[i]
		a.Anomalies = append(a.Anomalies, ledger.Anomaly{ErrorID: x.ErrorID, Class: x.Class, Tag: x.TagName, Location: Place(x)})
	}
	return a, true
}

// senderOf is a sender number as names have it: six digits. What is none stays as
// it is, and fits no sender.
func senderOf(s string) string {
	s = strings.TrimSpace(s)
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return s
	}
	return fmt.Sprintf("%06d", n)
}

// Place writes where an anomaly is: line and column, and those steps of the
// path that identify no person.
func Place(a *reply.Anomaly) string {
	var parts []string
	if isNumber(a.LineNbr) {
		parts = append(parts, "line "+a.LineNbr)
	}
	if isNumber(a.ColumnNbr) {
		parts = append(parts, "column "+a.ColumnNbr)
	}
	for _, s := range a.Path {
		if v, ok := s.Show(); ok {
			parts = append(parts, s.Name+" "+v)
		}
	}
	return strings.Join(parts, ", ")
}

// isNumber holds back what is something else, and so may be a person's.
func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}
