// Package testkit holds what the tests of several packages need: declarations,
// replies, a signing identity and a ledger. Nothing but tests imports it.
package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/ledger/sqlite"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// Sender is the sender number of the tests.
const Sender = "101380"

// Day is the day of the tests, and Now a moment of it.
const Day naming.Date = "20260302"

// Now is the clock of the tests.
func Now() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

const schema = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="`

// Dimona is a Dimona file with a form for each of the references, one second
// apart. Different references give different contents.
func Dimona(references ...string) []byte { return Declaration("Dimona", references...) }

// Declaration is Dimona with another root element.
func Declaration(root string, references ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<%s%s%s_20231.xsd\">\r\n", root, schema, root)
	for i, r := range references {
		fmt.Fprintf(&b, "<Form><Identification>X</Identification><FormCreationDate>2026-03-02</FormCreationDate>"+
			"<FormCreationHour>%s</FormCreationHour><AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm>"+
			"<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>%s</ReferenceNbr></Reference></Form>\r\n", Hour(i+1), r)
	}
	fmt.Fprintf(&b, "</%s>\r\n", root)
	return []byte(b.String())
}

// Hour is the creation hour of the n-th form of a Declaration.
func Hour(n int) string { return fmt.Sprintf("08:00:%02d.000", n) }

// Receipt is an ACRF with one form about a file; no errors: accepted.
func Receipt(file, ticket string, errors ...string) []byte {
	code, list := "1", ""
	for _, e := range errors {
		code = "0"
		list += "<ErrorID>" + e + "</ErrorID>"
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><ACRF` + schema + `ACRF_20231.xsd"><Form><Identification>ACRF001</Identification>` +
		`<FileReference><FileName>` + file + `</FileName><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>` + ticket + `</ReferenceNbr></FileReference>` +
		`<ReceptionResult><ResultCode>` + code + `</ResultCode>` + list + `</ReceptionResult></Form></ACRF>`)
}

// Notification is a NOTI with one form about the form of a file that was
// created at an hour, with a result code and error ids.
func Notification(file, hour, code string, errors ...string) []byte {
	list := ""
	for _, e := range errors {
		list += "<AnomalyReport><ErrorID>" + e + "</ErrorID><TagName>INSS</TagName><Value>11111111111</Value><AnomalyClass>B</AnomalyClass></AnomalyReport>"
	}
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><NOTIFICATION` + schema + `NOTIFICATION_20223.xsd"><Form><Identification>NOTI001</Identification>` +
		`<FileReference><FileName>` + file + `</FileName></FileReference>` +
		`<HandledOriginalForm><FormCreationDate>2026-03-02</FormCreationDate><FormCreationHour>` + hour + `</FormCreationHour></HandledOriginalForm>` +
		`<HandlingResult><ResultCode>` + code + `</ResultCode>` + list + `</HandlingResult></Form></NOTIFICATION>`)
}

// WriteFile writes a file below dir and gives its path.
func WriteFile(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var identity = sync.OnceValues(func() (*sign.Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Jan Janssens (Signature)"},
		NotBefore: Now().AddDate(-1, 0, 0), NotAfter: Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageContentCommitment,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return sign.NewIdentity(key, cert, nil)
})

// Identity is a throwaway identity whose certificate is its own root.
func Identity(t testing.TB) *sign.Identity {
	t.Helper()
	id, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Ledger opens a ledger; an empty path is one in a new directory. It is closed
// at the end of the test.
func Ledger(t testing.TB, path string) ledger.Ledger {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "ledger.db")
	}
	l, err := sqlite.Open(t.Context(), path, sqlite.Options{Now: Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Draft is a draft for environment T whose parts have those contents, each with
// a form per reference.
func Draft(parts ...[]string) inbox.Draft {
	d := inbox.Draft{Application: "DIMN", Sender: Sender, Environment: naming.Test, Date: Day, Spool: "spool"}
	for i, references := range parts {
		content := Dimona(references...)
		p := inbox.Part{Number: i + 1, Source: fmt.Sprintf("%d.xml", i+1), Root: "Dimona", Size: int64(len(content)), Hash: sha256.Sum256(content)}
		for j, r := range references {
			p.Forms = append(p.Forms, inbox.Form{Date: "2026-03-02", Hour: Hour(j + 1), References: []inbox.Reference{{Type: "1", Number: r}}})
		}
		d.Parts = append(d.Parts, p)
	}
	return d
}

// Reserve takes a name for a draft.
func Reserve(t testing.TB, l ledger.Ledger, d inbox.Draft) inbox.Submission {
	t.Helper()
	r := l.Reserve(t.Context(), []inbox.Draft{d})[0]
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Submission
}

// Walk moves a set through states.
func Walk(t testing.TB, l ledger.Ledger, id int64, states ...inbox.State) {
	t.Helper()
	for _, s := range states {
		if err := l.Move(t.Context(), id, s, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// Sent takes a name for a draft and moves the set to Sent.
func Sent(t testing.TB, l ledger.Ledger, d inbox.Draft) inbox.Submission {
	t.Helper()
	s := Reserve(t, l, d)
	Walk(t, l, s.ID, inbox.Uploading, inbox.Unknown, inbox.Sent)
	s.State = inbox.Sent
	return s
}
