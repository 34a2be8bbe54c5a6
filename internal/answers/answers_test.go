package answers_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/internal/seal"
	"github.com/socbatch/socbatch/internal/testkit"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/outbox"
	"github.com/socbatch/socbatch/sign"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

type world struct {
	t       *testing.T
	archive string
	ledger  ledger.Ledger
	reader  *answers.Reader
	n       int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, archive: t.TempDir(), ledger: testkit.Ledger(t, "")}
	w.reader = &answers.Reader{Ledger: w.ledger, Archive: w.archive, Now: testkit.Now}
	return w
}

// store puts a reply, and a signature unless it is nil, into archive and ledger.
func (w *world) store(kind naming.Kind, application string, content, fs []byte) outbox.Reply {
	w.t.Helper()
	w.n++
	n, err := naming.Parse(fmt.Sprintf("%s.%s.999999.20260302.%05d.T", kind, application, w.n))
	if err != nil {
		w.t.Fatal(err)
	}
	file := func(n naming.Name, content []byte) outbox.File {
		path := "T/2026-03-02/" + n.String()
		testkit.WriteFile(w.t, w.archive, path, content)
		return outbox.File{Name: n.String(), Path: path, Size: int64(len(content)), Hash: sha256.Sum256(content)}
	}
	r := outbox.Reply{Environment: naming.Test, Name: n, File: file(n, content), FetchedAt: testkit.Now()}
	if fs != nil {
		f := file(n.WithKind(naming.FS), fs)
		r.Signature = &f
	}
	if err := w.ledger.StoreReplies(w.t.Context(), []*outbox.Reply{&r}); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) read() []answers.Result {
	w.t.Helper()
	got, err := w.reader.Unread(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func (w *world) wantState(id int64, want inbox.State) {
	w.t.Helper()
	if s, err := w.ledger.Submission(w.t.Context(), id); err != nil || s.State != want {
		w.t.Errorf("%s is %s, want %s (%v)", s.Set, s.State, want, err)
	}
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("reply.xml")
	if err == nil {
		_, err = f.Write(content)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnread(t *testing.T) {
	w := newWorld(t)
	s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a", "b"}))
	goName := s.Set.GO().String()
	// A notification that names the ticket of a receipt that was fetched later.
	byTicket := bytes.Replace(testkit.Notification("", testkit.Hour(2), "1", "00024-005"), []byte("<FileName></FileName>"),
		[]byte("<FileName>unnamed</FileName><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>900000A1B2C3D</ReferenceNbr>"), 1)
	w.store(naming.FO, "NOTI", byTicket, nil)
	w.store(naming.FO, "ACRF", testkit.Receipt(goName, "900000A1B2C3D"), nil)
	w.store(naming.CO, "NOTI", zipped(t, testkit.Notification(goName, testkit.Hour(1), "1")), nil)
	w.store(naming.FO, "IDFL", []byte(`<IDFLUX><Form><Identification>X</Identification></Form></IDFLUX>`), nil)
	w.store(naming.FO, "FINO", []byte("%PDF-1.7 not XML at all"), nil)
	w.store(naming.FO, "NOTI", testkit.Notification("GO.DIMN.101380.20250101.00001.T.1", "", "0"), nil)

	got := w.read()
	if len(got) != 6 {
		t.Fatalf("%d results", len(got))
	}
	for i, want := range []struct {
		kind      reply.Kind
		outcome   string
		sets      int
		unmatched int
		problem   bool
	}{
		{reply.Receipt, ledger.OutcomeAccepted, 1, 0, false},
		{reply.Notification, ledger.OutcomeRemarks, 1, 0, false},
		{reply.Notification, ledger.OutcomeAccepted, 1, 0, false},
		{reply.IdentityFlux, "", 0, 0, false},
		{reply.Other, "", 0, 0, true},
		{reply.Notification, ledger.OutcomeRefused, 0, 1, false},
	} {
		r := got[i]
		if r.Kind != want.kind || len(r.Submissions) != want.sets || r.Unmatched != want.unmatched || r.Ambiguous != 0 || (r.Reply.Problem != "") != want.problem {
			t.Errorf("%d: %+v", i, r)
		}
		if want.outcome != "" && (r.Outcomes[want.outcome] != 1 || len(r.Outcomes) != 1) {
			t.Errorf("%d: outcomes %v", i, r.Outcomes)
		}
		stored, err := w.ledger.Reply(t.Context(), r.Reply.ID)
		if err != nil || stored.ReadAt.IsZero() || stored.Problem != r.Reply.Problem || stored.Signature != answers.SignatureNone {
			t.Errorf("%d: %+v, %v", i, stored, err)
		}
	}
	w.wantState(s.ID, inbox.AcceptedWithRemarks)
	if again := w.read(); len(again) != 0 {
		t.Errorf("read again: %+v", again)
	}
	// Values may be personal and stay in the archive.
	all, err := w.ledger.Answers(t.Context(), s.ID)
	if err != nil || strings.Contains(fmt.Sprintf("%+v", all), "11111111111") {
		t.Errorf("answers %+v, %v", all, err)
	}
}

func TestUnreadManyForms(t *testing.T) {
	w := newWorld(t)
	one := string(testkit.Notification("", testkit.Hour(1), "1"))
	form := one[strings.Index(one, "<Form>"):strings.Index(one, "</NOTIFICATION>")]
	w.store(naming.FO, "NOTI", []byte(strings.Replace(one, form, strings.Repeat(form, 2500), 1)), nil)
	if r := w.read()[0]; r.Reply.Forms != 2500 || r.Unmatched != 2500 || r.Outcomes[ledger.OutcomeAccepted] != 2500 || r.Reply.Problem != "" {
		t.Errorf("%+v", r)
	}
}

// Where an anomaly is can be told without what may be a person's.
func TestPlace(t *testing.T) {
	step := func(name, v string) reply.Step { return reply.Step{Name: name, Value: reply.NewPrivate(v)} }
	for _, c := range []struct {
		a    reply.Anomaly
		want string
	}{
		{reply.Anomaly{}, ""},
		{reply.Anomaly{LineNbr: "12", ColumnNbr: "7", Location: reply.NewPrivate("11111111111")}, "line 12, column 7"},
		{reply.Anomaly{LineNbr: "of 11111111111", ColumnNbr: "-1"}, ""},
		{reply.Anomaly{LineNbr: "3", Path: []reply.Step{step("Quarter", "20261"), step("INSS", "11111111111"), step("WorkerCode", "015"), step("ScaleSalarySequenceNbr", "2"), step("NaturalPersonUserReference", "JANSSENS")}},
			"line 3, Quarter 20261, WorkerCode 015, ScaleSalarySequenceNbr 2"},
	} {
		if got := answers.Place(&c.a); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// batches records the most that was entered at once.
type batches struct {
	ledger.Ledger
	calls, maxEntries int
}

func (b *batches) AddAnswers(ctx context.Context, r ledger.Reply, a []ledger.Answer) error {
	n := 0
	for _, x := range a {
		n += 1 + len(x.Anomalies)
	}
	b.calls, b.maxEntries = b.calls+1, max(b.maxEntries, n)
	return b.Ledger.AddAnswers(ctx, r, a)
}

// What waits to be entered is bounded also where forms have many anomalies.
func TestUnreadManyAnomalies(t *testing.T) {
	w := newWorld(t)
	one := string(testkit.Notification("", testkit.Hour(1), "0", slices.Repeat([]string{"00024-005"}, 400)...))
	form := one[strings.Index(one, "<Form>"):strings.Index(one, "</NOTIFICATION>")]
	w.store(naming.FO, "NOTI", []byte(strings.Replace(one, form, strings.Repeat(form, 10), 1)), nil)
	b := &batches{Ledger: w.ledger}
	w.reader.Ledger = b
	if r := w.read()[0]; r.Unmatched != 10 || r.Reply.Problem != "" {
		t.Errorf("%+v", r)
	}
	if b.calls != 4 || b.maxEntries != 3*401 {
		t.Errorf("%d calls, at most %d at once", b.calls, b.maxEntries)
	}
}

// archived gives the contents of the archive by name, directories left out.
func (w *world) archived() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(w.archive, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found[e.Name()] = string(b)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// A compressed reply is kept as it came, and what is in it beside it.
func TestUnreadCompressed(t *testing.T) {
	const name = "CO.ACRF.999999.20260302.00001.T"
	content := testkit.Receipt("GO.DIMN.101380.20250101.00001.T.1", "900000A1B2C3D")
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	if _, err := g.Write(content); errors.Join(err, g.Close()) != nil {
		t.Fatal(err)
	}
	for _, packed := range [][]byte{zipped(t, content), gz.Bytes()} {
		w := newWorld(t)
		r := w.store(naming.CO, "ACRF", packed, nil)
		// A run that was killed left something half-written of this reply, and
		// another one is at work on the next.
		testkit.WriteFile(t, w.archive, "T/.incoming/"+name+answers.ContentSuffix+"-1", []byte("half"))
		testkit.WriteFile(t, w.archive, "T/.incoming/other", []byte("half"))
		if got := w.read()[0]; got.Reply.Problem != "" || got.Outcomes[ledger.OutcomeAccepted] != 1 {
			t.Errorf("%+v", got)
		}
		want := map[string]string{name: string(packed), name + answers.ContentSuffix: string(content), "other": "half"}
		if got := w.archived(); !maps.Equal(got, want) {
			t.Errorf("the archive has %q", got)
		}
		stored, err := w.ledger.Reply(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		// What is kept is not unpacked again, and what was lost is.
		for _, lost := range []bool{false, true} {
			if lost {
				if err := os.Remove(filepath.Join(w.archive, r.File.Path+answers.ContentSuffix)); err != nil {
					t.Fatal(err)
				}
			}
			if sum, err := w.reader.Forms(stored, nil); err != nil || sum.Totals.Accepted != 1 {
				t.Errorf("%+v, %v", sum, err)
			}
			if got := w.archived(); !maps.Equal(got, want) {
				t.Errorf("the archive has %q", got)
			}
		}
	}
}

// What may not be opened is reported, and stays as it came, alone.
func TestUnreadCompressedRefused(t *testing.T) {
	several := func(names ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, n := range names {
			if _, err := z.Create(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name   string
		packed []byte
		want   error
	}{
		{"several entries", several("a", "b"), reply.ErrEntries},
		{"no entry", several(), reply.ErrEntries},
		{"unsafe name", several("../../evil.xml"), reply.ErrEntryName},
		{"bomb", zipped(t, make([]byte, 32<<20)), reply.ErrBomb},
		{"damaged", zipped(t, []byte("<ACRF/>"))[:40], reply.ErrArchive},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.store(naming.CO, "ACRF", c.packed, nil)
			if got := w.read(); len(got) != 1 || !strings.Contains(got[0].Reply.Problem, c.want.Error()) || len(got[0].Outcomes) != 0 {
				t.Errorf("%+v", got)
			}
			if got := w.archived(); len(got) != 1 || got[r.File.Name] != string(c.packed) {
				t.Errorf("the archive has %d files", len(got))
			}
			if stored, err := w.ledger.Reply(t.Context(), r.ID); err != nil || stored.ReadAt.IsZero() || stored.Problem == "" {
				t.Errorf("%+v, %v", stored, err)
			}
		})
	}
}

// Where what is in a reply cannot be kept, the reply is read the next time.
func TestUnreadCompressedDiskFails(t *testing.T) {
	w := newWorld(t)
	r := w.store(naming.CO, "ACRF", zipped(t, testkit.Receipt("GO.DIMN.101380.20250101.00001.T.1", "900000A1B2C3D")), nil)
	inTheWay := filepath.Join(w.archive, r.File.Path+answers.ContentSuffix)
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 1 || got[0].Reply.Problem == "" || len(got[0].Outcomes) != 0 {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 1 || got[0].Reply.Problem != "" || got[0].Outcomes[ledger.OutcomeAccepted] != 1 {
		t.Errorf("%+v", got)
	}
}

// A compressed reply that is damaged at its end says nothing at all.
func TestUnreadDamagedArchive(t *testing.T) {
	w := newWorld(t)
	s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a"}))
	content := zipped(t, testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D", "ACRF-102"))
	// The checksum stands behind the content and in the directory.
	crc := content[bytes.Index(content, []byte("PK\x07\x08"))+4:][:4]
	other := []byte{crc[0] ^ 1, crc[1], crc[2], crc[3]}
	w.store(naming.CO, "ACRF", bytes.ReplaceAll(content, crc, other), nil)
	r := w.read()[0]
	if r.Reply.Problem == "" || len(r.Outcomes) != 0 || len(r.Submissions) != 0 {
		t.Errorf("%+v", r)
	}
	w.wantState(s.ID, inbox.Sent)
}

// A file that is not there now may be there the next time.
func TestUnreadWithoutFile(t *testing.T) {
	w := newWorld(t)
	s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a"}))
	lost := w.store(naming.FO, "ACRF", testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D"), nil)
	w.store(naming.FO, "NOTI", testkit.Notification(s.Set.GO().String(), testkit.Hour(1), "1"), nil)
	path := filepath.Join(w.archive, lost.File.Path)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 2 || got[0].Reply.Problem == "" || got[1].Reply.Problem != "" {
		t.Errorf("%+v", got)
	}
	w.wantState(s.ID, inbox.Accepted)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 1 || got[0].Reply.Problem != "" || got[0].Outcomes[ledger.OutcomeAccepted] != 1 {
		t.Errorf("%+v", got)
	}
	if s, err := w.ledger.Submission(t.Context(), s.ID); err != nil || s.Ticket != "900000A1B2C3D" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUnreadSignatures(t *testing.T) {
	content := testkit.Receipt("GO.DIMN.101380.20250101.00001.T.1", "900000A1B2C3D")
	id := testkit.Identity(t)
	der, _, err := sign.Sign(t.Context(), bytes.NewReader(content), id, sign.Options{SigningTime: testkit.Now()})
	if err != nil {
		t.Fatal(err)
	}
	good := sign.EncodeText(der, sign.Text64CRLF)
	trusted, nobody := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(id.Certificate())
	for _, c := range []struct {
		name  string
		fs    []byte
		roots *x509.CertPool
		want  string
	}{
		{"none", nil, trusted, answers.SignatureNone},
		{"nobody to trust is configured", good, nil, answers.SignatureNotChecked},
		{"valid", good, trusted, answers.SignatureValid + sign.Describe(id.Certificate()).Owner},
		{"by a stranger", good, nobody, answers.SignatureInvalid},
		{"damaged", good[:len(good)/2], trusted, answers.SignatureInvalid},
		{"empty", []byte{}, trusted, answers.SignatureInvalid},
		{"too large", make([]byte, sign.MaxSignatureSize+1), trusted, answers.SignatureInvalid + "the signature file is too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.reader.Roots = c.roots
			r := w.store(naming.FO, "ACRF", content, c.fs)
			got := w.read()[0]
			if !strings.HasPrefix(got.Reply.Signature, c.want) || got.Outcomes[ledger.OutcomeAccepted] != 1 {
				t.Errorf("got %q, %v", got.Reply.Signature, got.Outcomes)
			}
			if stored, err := w.ledger.Reply(t.Context(), r.ID); err != nil || stored.Signature != got.Reply.Signature {
				t.Errorf("stored %q, %v", stored.Signature, err)
			}
		})
	}
	t.Run("over other content", func(t *testing.T) {
		w := newWorld(t)
		w.reader.Roots = trusted
		w.store(naming.FO, "ACRF", append(content, ' '), good)
		if got := w.read()[0].Reply.Signature; !strings.HasPrefix(got, answers.SignatureInvalid) {
			t.Errorf("got %q", got)
		}
	})
}

// A reply that lies encrypted is read with the identity, and its signature is
// what it was found to be.
func TestSealed(t *testing.T) {
	w := newWorld(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	to, err := seal.ParseRecipients(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	ids, err := seal.OpenIdentities(testkit.WriteFile(t, t.TempDir(), "id", []byte(id.String())), nil)
	if err != nil {
		t.Fatal(err)
	}
	content := testkit.Receipt("GO.DIMN.101380.20250101.00001.T.1", "900000A1B2C3D")
	w.reader.Roots = x509.NewCertPool()
	for _, c := range []struct {
		name   string
		stored []byte
		forms  int
		want   error
	}{
		{"plain", content, 1, nil},
		{"compressed", zipped(t, content), 1, nil},
		{"compressed and damaged", zipped(t, content)[:60], 0, reply.ErrArchive},
	} {
		stored := w.store(naming.CO, "ACRF", c.stored, []byte("no signature"))
		w.read()
		r, err := w.ledger.Reply(t.Context(), stored.ID)
		if err != nil || !strings.HasPrefix(r.Signature, answers.SignatureInvalid) {
			t.Fatalf("%s: %+v, %v", c.name, r, err)
		}
		path := filepath.Join(w.archive, filepath.FromSlash(r.Path))
		_ = os.Remove(path + answers.ContentSuffix)
		if err := errors.Join(to.SealFile(new(durable.Disk), path, w.archive), os.Remove(path),
			w.ledger.Sealed(t.Context(), []ledger.Holding{{Kind: ledger.HeldReply, ID: r.ID}})); err != nil {
			t.Fatal(err)
		}
		if r, err = w.ledger.Reply(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		forms := 0
		count := func(*reply.Form) error { forms++; return nil }
		if _, err := w.reader.Forms(r, count); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: without identity: %v", c.name, err)
		}
		w.reader.Sealed = func(p string) (*seal.File, error) { return ids.Open(p + seal.Suffix) }
		if _, err := w.reader.Forms(r, count); !errors.Is(err, c.want) || forms != c.forms {
			t.Errorf("%s: %d forms, %v", c.name, forms, err)
		}
		w.reader.Sealed = nil
		if got := w.reader.Signature(r); got != r.Signature {
			t.Errorf("%s: signature %q, want %q", c.name, got, r.Signature)
		}
		for _, in := range []string{path, path + answers.ContentSuffix} {
			if _, err := os.Stat(in); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %s is in clear", c.name, in)
			}
		}
	}
}

// Where signatures are demanded, a reply without a valid one does not count
// until it has one.
func TestUnreadDemand(t *testing.T) {
	w := newWorld(t)
	s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a"}))
	content := testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D")
	id := testkit.Identity(t)
	der, _, err := sign.Sign(t.Context(), bytes.NewReader(content), id, sign.Options{SigningTime: testkit.Now()})
	if err != nil {
		t.Fatal(err)
	}
	w.reader.Roots, w.reader.Demand = x509.NewCertPool(), true
	w.reader.Roots.AddCert(id.Certificate())
	r := w.store(naming.FO, "ACRF", content, nil)
	for range 2 {
		got := w.read()
		if len(got) != 1 || got[0].Reply.Problem != answers.ProblemSignature || len(got[0].Submissions) != 0 {
			t.Errorf("got %+v", got)
		}
		w.wantState(s.ID, inbox.Sent)
		if flagged, err := w.ledger.Reply(t.Context(), r.ID); err != nil || flagged.Signature != answers.SignatureNone || flagged.Problem == "" {
			t.Errorf("stored %+v, %v", flagged, err)
		}
	}
	fs := sign.EncodeText(der, sign.Text64CRLF)
	late := outbox.File{Name: r.Name.WithKind(naming.FS).String(), Path: "T/late", Size: int64(len(fs)), Hash: sha256.Sum256(fs)}
	testkit.WriteFile(t, w.archive, late.Path, fs)
	if err := w.ledger.AddSignature(t.Context(), r.ID, late); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 1 || !answers.Valid(got[0].Reply.Signature) || got[0].Reply.Problem != "" {
		t.Errorf("got %+v", got)
	}
	w.wantState(s.ID, inbox.Received)
}

// A signature that comes after its reply was read is looked at all the same.
func TestUnreadLateSignature(t *testing.T) {
	w := newWorld(t)
	s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a"}))
	r := w.store(naming.FO, "ACRF", testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D"), nil)
	w.reader.Roots = x509.NewCertPool()
	w.read()
	late := outbox.File{Name: r.Name.WithKind(naming.FS).String(), Path: "T/late", Size: 1, Hash: sha256.Sum256([]byte("x"))}
	testkit.WriteFile(t, w.archive, late.Path, []byte("x"))
	if err := w.ledger.AddSignature(t.Context(), r.ID, late); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); len(got) != 1 || !strings.HasPrefix(got[0].Reply.Signature, answers.SignatureInvalid) {
		t.Errorf("got %+v", got)
	}
	if all, err := w.ledger.Answers(t.Context(), s.ID); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

type brokenLedger struct {
	ledger.Ledger
	fail string
}

var errLedger = errors.New("disk full")

func (l brokenLedger) AddAnswers(ctx context.Context, r ledger.Reply, a []ledger.Answer) error {
	if l.fail == "add" {
		return errLedger
	}
	return l.Ledger.AddAnswers(ctx, r, a)
}

func (l brokenLedger) ReadReply(ctx context.Context, r ledger.Reply) ([]inbox.Submission, error) {
	if l.fail == "read" {
		return nil, errLedger
	}
	return l.Ledger.ReadReply(ctx, r)
}

func TestUnreadLedgerFails(t *testing.T) {
	for _, step := range []string{"add", "read"} {
		w := newWorld(t)
		s := testkit.Sent(t, w.ledger, testkit.Draft([]string{"a"}))
		w.store(naming.FO, "ACRF", testkit.Receipt(s.Set.GO().String(), "900000A1B2C3D"), nil)
		w.reader.Ledger = brokenLedger{w.ledger, step}
		if _, err := w.reader.Unread(t.Context()); !errors.Is(err, errLedger) {
			t.Errorf("%s: got %v", step, err)
		}
		w.wantState(s.ID, inbox.Sent)
		w.reader.Ledger = w.ledger
		w.read()
		w.wantState(s.ID, inbox.Received)
		if all, err := w.ledger.Answers(t.Context(), s.ID); err != nil || len(all) != 1 {
			t.Errorf("%s: %+v, %v", step, all, err)
		}
	}
	w := newWorld(t)
	w.store(naming.FO, "ACRF", nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.reader.Unread(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
