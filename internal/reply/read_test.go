package reply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

func readFile(t *testing.T, name string) ([]*Form, Summary) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	forms, sum, err := ReadAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if sum.Forms != len(forms) {
		t.Errorf("summary counts %d forms of %d", sum.Forms, len(forms))
	}
	return forms, sum
}

func pv(s string) Private { return NewPrivate(s) }

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		file   string
		kind   Kind
		root   string
		totals Totals
		worst  Outcome
	}{
		{"acrf-accepted.xml", Receipt, "ACRF", Totals{Accepted: 1}, Accepted},
		{"acrf-refused.xml", Receipt, "ACRF", Totals{Refused: 1}, Refused},
		{"acrf-several.xml", Receipt, "ACRF", Totals{Accepted: 2, Refused: 1}, Refused},
		{"noti-accepted.xml", Notification, "NOTIFICATION", Totals{Accepted: 1}, Accepted},
		{"noti-remarks.xml", Notification, "NOTIFICATION", Totals{AcceptedWithRemarks: 1}, AcceptedWithRemarks},
		{"noti-refused.xml", Notification, "NOTIFICATION", Totals{Refused: 1}, Refused},
		{"noti-validate.xml", Notification, "NOTIFICATION", Totals{ToValidate: 1}, ToValidate},
		{"noti-several.xml", Notification, "NOTIFICATION", Totals{Accepted: 1, AcceptedWithRemarks: 1, Refused: 1, ToValidate: 1}, Refused},
		{"noti-namespaced.xml", Notification, "NOTIFICATION", Totals{Refused: 1}, Refused},
		{"idflux.xml", IdentityFlux, "IDFLUX", Totals{None: 1}, NoOutcome},
		{"dmno.xml", UpdateNotification, "DmfAUpdateNotification", Totals{None: 1}, NoOutcome},
	} {
		t.Run(c.file, func(t *testing.T) {
			_, sum := readFile(t, c.file)
			if sum.Kind != c.kind || sum.Root != c.root || sum.Totals != c.totals || sum.Outcome != c.worst {
				t.Errorf("got %+v", sum)
			}
			if sum.First.CreationDate != "2026-03-02" {
				t.Errorf("first form %+v", sum.First)
			}
		})
	}
}

func TestReceipt(t *testing.T) {
	forms, _ := readFile(t, "acrf-accepted.xml")
	want := &Form{
		Kind: Receipt, Index: 1, Line: 3,
		FormHead: FormHead{"ACRF001", "2026-03-02", "08:15:00.001", "0", "PA"},
		File:     &FileReference{"GO.DIMN.000042.20260302.00001.T.1", "2", "900000A1B2C3D"},
		Outcome:  Accepted, ResultCode: "1",
	}
	if !reflect.DeepEqual(forms[0], want) {
		t.Errorf("got  %+v\nwant %+v", forms[0], want)
	}
	if forms[0].FileTicket() != "900000A1B2C3D" {
		t.Errorf("ticket %q", forms[0].FileTicket())
	}

	forms, _ = readFile(t, "acrf-refused.xml")
	if got := forms[0].ErrorIDs; !reflect.DeepEqual(got, []string{"ACRF-172", "ACRF-088", "ACRF-102"}) {
		t.Errorf("error ids %q", got)
	}
	if forms[0].FileTicket() != "" {
		t.Errorf("ticket %q", forms[0].FileTicket())
	}

	forms, _ = readFile(t, "acrf-several.xml")
	for i, name := range []string{"GO.DIMN.000042.20260302.00001.T.1", "FI.DMFA.000042.20260302.0000A.R.2.1", "GO.WECH.000042.20260302.00002.R.1"} {
		if forms[i].File.Name != name || forms[i].Index != i+1 {
			t.Errorf("form %d: %+v", i, forms[i])
		}
	}
}

func TestNotification(t *testing.T) {
	forms, _ := readFile(t, "noti-accepted.xml")
	f := forms[0]
	if f.AnomalyCount != 0 || f.Identification != "NOTI001" || f.SenderID != "000042" {
		t.Errorf("got %+v", f)
	}
	if want := (&FormHead{"DIMONA", "2026-03-01", "17:45:00.123", "0", "SU"}); !reflect.DeepEqual(f.Handled, want) {
		t.Errorf("handled %+v", f.Handled)
	}
	if want := (&Reception{"2026-03-02", "08:14:00.000", "3"}); !reflect.DeepEqual(f.Reception, want) {
		t.Errorf("reception %+v", f.Reception)
	}
	if got := f.Tickets(); !reflect.DeepEqual(got, []string{"900000A1B2C3D", "900000F0R0M01"}) {
		t.Errorf("tickets %q", got)
	}
	if got := f.OwnReferences(); !reflect.DeepEqual(got, []string{"LOT-2026-03/1"}) {
		t.Errorf("own references %q", got)
	}
	if want := (&EmployerID{NOSS: "100000001", CompanyID: "0200000002"}); !reflect.DeepEqual(f.Employer, want) {
		t.Errorf("employer %+v", f.Employer)
	}
	want := &DimonaImpact{
		PeriodID: "900000000001", Locked: "0", Features: Features{JointCommission: "302", WorkerType: "EXT"},
		Before: &Period{StartDate: "2026-03-01", EndDate: "2026-03-31"},
		After:  &Period{StartDate: "2026-03-01", StartHour: "0900", EndDate: "2026-04-30", PlannedHours: "38"},
	}
	if !reflect.DeepEqual(f.Dimona, want) {
		t.Errorf("impact %+v", f.Dimona)
	}

	forms, _ = readFile(t, "noti-validate.xml")
	if f := forms[0]; f.File != nil || f.FileTicket() != "" || len(f.Tickets()) != 1 {
		t.Errorf("without file reference: %+v", f)
	}
	forms, _ = readFile(t, "noti-refused.xml")
	if c := forms[0].Contact; c == nil || c.Name.Reveal() != "PERSOON" || c.Phone.Reveal() != "02/000.00.00" || c.Email.Reveal() != "niemand@example.org" {
		t.Errorf("contact %+v", c)
	}
	if a := forms[0].Anomalies; len(a) != 2 || !a[0].Blocking() || a[1].ErrorID != "00218-001" {
		t.Errorf("anomalies %+v", a)
	}
}

func TestAnomaly(t *testing.T) {
	forms, _ := readFile(t, "noti-remarks.xml")
	want := Anomaly{
		ErrorID: "00024-356", TagName: "ContributionAmount", Value: pv("0000099999"), Class: "NP", Label: "Ongeldig",
		LineNbr: "12", ColumnNbr: "7", Location: pv("/DmfAOriginal/Form"),
		Path: []Step{{"Quarter", pv("20261")}, {"NaturalPersonSequenceNbr", pv("3")}, {"INSS", pv("11111111111")}, {"WorkerCode", pv("015")}},
		Correction: &Correction{Type: "RC", Blocks: []BlockAction{{
			Action: "1", Block: "WorkerContribution", Path: []Step{{"Quarter", pv("20261")}, {"INSS", pv("11111111111")}},
			Fields: []Field{{"ContributionAmount", pv("0000012345")}},
		}}},
		Periods: []DimonaPeriod{{
			ID: "900000000002", Locked: "0", Cancelled: "1", Period: Period{StartDate: "2026-02-01"},
			UpdateDate: "2026-02-02", UpdateHour: "10:00:00.000", ErrorIDs: []string{"90017-100"}, Class: "W",
		}},
		Quotas: []Quota{{Type: "STUDENT", ExceedingHours: "12"}},
	}
	if got := forms[0].Anomalies[0]; !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("got  %s\nwant %s", g, w)
	}
	if forms[0].AnomalyCount != 2 {
		t.Errorf("%d anomalies", forms[0].AnomalyCount)
	}
}

func TestPrivateDoesNotPrint(t *testing.T) {
	forms, sum := readFile(t, "noti-refused.xml")
	more, _ := readFile(t, "noti-remarks.xml")
	forms = append(forms, more...)
	var out strings.Builder
	for _, f := range forms {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", *f)
			fmt.Fprintf(&out, verb+"\n", f)
			fmt.Fprintf(&out, verb+"\n", f.Anomalies)
			if f.Contact != nil {
				fmt.Fprintf(&out, verb+"\n", *f.Contact)
			}
		}
		if err := json.NewEncoder(&out).Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(&out, "%+v %+v", sum, map[string]*Private{"a": new(pv("11111111111"))})
	for _, secret := range []string{"11111111111", "3131313131", "0000099999", "0000012345", "PERSOON", "02/000", "niemand@"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is printed", secret)
		}
	}
	if b, _ := json.Marshal(struct {
		V Private `json:"v,omitzero"`
	}{}); string(b) != "{}" {
		t.Errorf("an empty value gives %s", b)
	}
	if v, ok := (Step{"WorkerCode", pv("015")}).Show(); !ok || v != "015" {
		t.Error("a worker code is not shown")
	}
	for _, s := range []Step{{"INSS", pv("11111111111")}, {"Unheard", pv("1")}, {"WorkerCode", pv(strings.Repeat("1", 21))}} {
		if _, ok := s.Show(); ok {
			t.Errorf("%s is shown", s.Name)
		}
	}
}

func TestEncodings(t *testing.T) {
	files, err := filepath.Glob("testdata/enc-*.xml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			forms, sum := readFile(t, filepath.Base(file))
			if f := forms[0]; f.TypeForm != "é" || f.FileTicket() != "900000A1B2C3D" {
				t.Errorf("got %+v", f)
			}
			if sum.Encoding.Mismatch != strings.Contains(file, "claimed") {
				t.Errorf("encoding %+v", sum.Encoding)
			}
		})
	}
}

func TestOtherKinds(t *testing.T) {
	for _, c := range []struct {
		doc   string
		kind  Kind
		root  string
		forms int
		other int
		out   Outcome
	}{
		{"<DmfAPID><Form/></DmfAPID>", PersonIDs, "DmfAPID", 1, 0, NoOutcome},
		{"<DmfAConsultationAnswer><Form/><Form/></DmfAConsultationAnswer>", ConsultationAnswer, "DmfAConsultationAnswer", 2, 0, NoOutcome},
		{"<PersonnelFileConsultationAnswer/>", ConsultationAnswer, "PersonnelFileConsultationAnswer", 0, 0, NoOutcome},
		{"<x:ACRF xmlns:x='u'><x:Form/></x:ACRF>", Receipt, "ACRF", 1, 0, UnknownOutcome},
		{"<NOTIFICATION001/>", Notification, "NOTIFICATION001", 0, 0, NoOutcome},
		{"<Nieuw>tekst<Blok><Form/></Blok><Form><ResultCode>0</ResultCode></Form></Nieuw>", Other, "Nieuw", 1, 1, NoOutcome},
		{"<Nieuw><Form><ReceptionResult><ResultCode>0</ResultCode></ReceptionResult></Form></Nieuw>", Other, "Nieuw", 1, 0, Refused},
		{"<ACRF><Form><ReceptionResult><ResultCode> 1 </ResultCode><ErrorID>ACRF-001</ErrorID></ReceptionResult></Form></ACRF>", Receipt, "ACRF", 1, 0, AcceptedWithRemarks},
		{"<NOTIFICATION><Form><HandlingResult><ResultCode>7</ResultCode></HandlingResult></Form></NOTIFICATION>", Notification, "NOTIFICATION", 1, 0, UnknownOutcome},
		{"<NOTIFICATION><Form><ReceptionResult/></Form></NOTIFICATION>", Notification, "NOTIFICATION", 1, 0, UnknownOutcome},
		{"<é/>", Other, "…", 0, 0, NoOutcome},
	} {
		sum, err := Read(strings.NewReader(c.doc), nil)
		if err != nil || sum.Kind != c.kind || sum.Root != c.root || sum.Forms != c.forms || sum.OtherBlocks != c.other || sum.Outcome != c.out {
			t.Errorf("%s: %+v, %v", c.doc, sum, err)
		}
	}
	forms, _ := readFile(t, "dmno.xml")
	if want := []Reference{{"1", "2", "900000DMN0001"}, {"3", "2", "900000DMN0002"}}; !reflect.DeepEqual(forms[0].References, want) {
		t.Errorf("references %+v", forms[0].References)
	}
}

func TestFaults(t *testing.T) {
	const head = "<NOTIFICATION><Form>"
	for _, c := range []struct {
		name, doc string
		err       error
	}{
		{"empty", "", ErrNotReply},
		{"csv", "85010112345;1", ErrNotReply},
		{"cut", head + "<EmployerId>85010112345", ErrMalformed},
		{"cut between forms", head + "</Form>", ErrMalformed},
		{"two roots", head + "</Form></NOTIFICATION><ACRF/>", ErrMalformed},
		{"doctype", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + head, ErrEntity},
		{"deep", head + strings.Repeat("<a>", 100), ErrTooDeep},
		{"deep in a value", head + "<Identification>" + strings.Repeat("<a>", 100), ErrTooDeep},
		{"giant", head + "<a>" + strings.Repeat("x", 2<<20), ErrTooLarge},
		{"encoding", "<?xml version='1.0' encoding='x-none'?>" + head, ErrEncoding},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.doc), nil)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if strings.Contains(err.Error(), "85010112345") {
				t.Errorf("content in %q", err)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := Read(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), nil); !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
		t.Errorf("reader's error: %v", err)
	}
	sum, err := Read(strings.NewReader("<ACRF><Form/><Form/></ACRF>"), func(f *Form) error {
		if f.Index == 2 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || sum.Forms != 2 {
		t.Errorf("handler's error: %+v, %v", sum, err)
	}
}

func TestFormsBeforeAFaultAreHandedOver(t *testing.T) {
	n := 0
	sum, err := Read(strings.NewReader("<ACRF><Form/><Form/><Form>"), func(*Form) error { n++; return nil })
	if n != 2 || sum.Forms != 2 || !errors.Is(err, ErrMalformed) {
		t.Errorf("%d forms, %+v, %v", n, sum, err)
	}
}

func TestTruncation(t *testing.T) {
	doc := func(n int, item string) string {
		return "<NOTIFICATION><Form><HandlingResult><ResultCode>0</ResultCode>" + strings.Repeat(item, n) + "</HandlingResult><TypeForm>FA</TypeForm></Form></NOTIFICATION>"
	}
	const report = "<AnomalyReport><ErrorID>00024-003</ErrorID></AnomalyReport>"
	for _, c := range []struct {
		name      string
		l         Limits
		doc       string
		kept, all int
		truncated bool
	}{
		{"all", Limits{MaxAnomalies: 10}, doc(10, report), 10, 10, false},
		{"count", Limits{MaxAnomalies: 9}, doc(10, report), 9, 10, true},
		{"size", Limits{MaxForm: 400}, doc(10, report), 3, 10, true},
		{"long list in one", Limits{MaxForm: 400}, doc(1, "<AnomalyReport><Path>"+strings.Repeat("<INSS>1</INSS>", 100)+"</Path></AnomalyReport>"), 0, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.l.Read(strings.NewReader(c.doc), func(f *Form) error {
				if len(f.Anomalies) != c.kept || f.AnomalyCount != c.all || f.Truncated != c.truncated {
					t.Errorf("%d kept of %d, truncated %v", len(f.Anomalies), f.AnomalyCount, f.Truncated)
				}
				if f.Outcome != Refused || f.TypeForm != "FA" {
					t.Errorf("got %+v", f)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A value that is too long is cut, and the rest of the reply is read as ever.
func TestLongValues(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		cut            bool
	}{
		{"as long as may be", "abcdefgh", "abcdefgh", false},
		{"one more", "abcdefghi", "abcdefgh", true},
		{"white space around it", strings.Repeat(" \n", 20) + "abcdefgh" + strings.Repeat(" \n", 20), "abcdefgh", false},
		{"white space inside", "abcdefg   h", "abcdefg", true},
		{"in pieces", "abcd<!-- -->efgh<x>no</x>", "abcdefgh", false},
		{"in pieces, too long", "abcd<!-- -->efgh<!-- -->i", "abcdefgh", true},
		{"half a character", "abcdefgé", "abcdefg", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := "<NOTIFICATION><Form><HandlingResult><ResultCode>0</ResultCode><AnomalyReport><Value>" + c.in + "</Value></AnomalyReport></HandlingResult></Form><Form/></NOTIFICATION>"
			var forms []*Form
			sum, err := Limits{MaxField: 8}.Read(strings.NewReader(doc), func(f *Form) error { forms = append(forms, f); return nil })
			if err != nil || sum.Forms != 2 || sum.Totals.Refused != 1 {
				t.Fatalf("%+v, %v", sum, err)
			}
			if got := forms[0].Anomalies[0].Value.Reveal(); got != c.want || forms[0].Truncated != c.cut || forms[1].Truncated {
				t.Errorf("%q, cut %v", got, forms[0].Truncated)
			}
		})
	}
}

// repeated is a document of a head, n times a body, and a tail.
type repeated struct {
	head, body, tail []byte
	n                int
	cur              []byte
	state            int
}

func (r *repeated) Read(p []byte) (int, error) {
	for len(r.cur) == 0 {
		switch {
		case r.state == 0:
			r.cur, r.state = r.head, 1
		case r.state == 1 && r.n > 0:
			r.cur = r.body
			r.n--
		case r.state == 1:
			r.cur, r.state = r.tail, 2
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

// manyForms is a notification of n forms like the one of noti-refused.xml.
func manyForms(tb testing.TB, n int) (r io.Reader, size int64) {
	b, err := os.ReadFile("testdata/noti-refused.xml")
	if err != nil {
		tb.Fatal(err)
	}
	i := bytes.Index(b, []byte("  <Form>"))
	j := bytes.LastIndex(b, []byte("</NOTI"))
	return &repeated{head: b[:i], body: b[i:j], tail: b[j:], n: n}, int64(i) + int64(n)*int64(j-i) + int64(len(b)-j)
}

func TestMemoryDoesNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 16 MB")
	}
	r, _ := manyForms(t, 6_000)
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sum, err := Read(r, func(f *Form) error {
		if f.Index%1_500 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&m)
			if grown := int64(m.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("after %d forms: %d bytes more", f.Index, grown)
			}
		}
		return nil
	})
	if err != nil || sum.Totals.Refused != 6_000 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func BenchmarkRead(b *testing.B) {
	const forms = 10_000
	for b.Loop() {
		r, size := manyForms(b, forms)
		b.SetBytes(size)
		if _, err := Read(r, func(*Form) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.xml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("<ACRF><Form><ReceptionResult><ErrorID/><ErrorID>1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		l := Limits{XML: xmlstream.Limits{MaxToken: 1 << 12}, MaxForm: 1 << 10}
		sum, err := l.Read(bytes.NewReader(b), func(f *Form) error {
			n++
			if f.Index != n {
				t.Errorf("form %d has index %d", n, f.Index)
			}
			if len(f.Anomalies) > f.AnomalyCount || f.AnomalyCount > len(f.Anomalies) && !f.Truncated {
				t.Errorf("%d anomalies of %d", len(f.Anomalies), f.AnomalyCount)
			}
			f.Tickets()
			f.OwnReferences()
			if _, err := json.Marshal(f); err != nil {
				t.Error(err)
			}
			return nil
		})
		c := sum.Totals
		if sum.Forms != n || c.Accepted+c.AcceptedWithRemarks+c.Refused+c.ToValidate+c.Unknown+c.None != n {
			t.Errorf("%d forms, %+v", n, sum)
		}
		if err == nil {
			return
		}
		for _, want := range []error{ErrNotReply, ErrMalformed, ErrTooDeep, ErrTooLarge, ErrEntity, ErrEncoding} {
			if errors.Is(err, want) {
				return
			}
		}
		t.Errorf("untyped error %v", err)
	})
}
