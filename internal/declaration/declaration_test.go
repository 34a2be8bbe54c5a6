package declaration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/xmlstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspect(t *testing.T) {
	b := testFile(t, "dimona.xml")
	info, err := Inspect(bytes.NewReader(b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Info{
		Root: "Dimona", Encoding: xmlstream.Encoding{Declared: "UTF-8", Actual: "UTF-8"},
		Schema: "Dimona_20231.xsd", SchemaVersion: "20231", Forms: 3, Identification: "DIMONA", Bytes: int64(len(b)),
		Identifications: []Identification{{"DIMONA", 3}},
		First: []Form{
			{1, 3, "DIMONA", "2026-03-01", "14:35:00.001", "SU", []Reference{{"1", "LOT-1/1"}, {"7", "INTERN-7"}}},
			{2, 33, "DIMONA", "2026-03-02", "14:35:00.002", "SU", []Reference{{"1", "LOT-1/2"}}},
			{3, 58, "DIMONA", "2026-03-03", "14:35:00.003", "SU", nil},
		},
	}
	if !reflect.DeepEqual(info, want) || !info.OK() {
		t.Errorf("got  %+v\nwant %+v", info, want)
	}

	info, err = Inspect(bytes.NewReader(testFile(t, "wech.xml")), Options{})
	if err != nil || !info.OK() || info.Root != "WECH001" || info.Encoding.Actual != "ISO-8859-1" {
		t.Fatalf("got %+v, %v", info, err)
	}
	if got := info.First[0].References; !reflect.DeepEqual(got, []Reference{{"1", "Réf 1"}}) {
		t.Errorf("references %+v", got)
	}
}

func TestFormsFromTheFuture(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) // 10:30 in Brussels
	formAt := func(date, hour string) string {
		return "\n<Form><FormCreationDate>" + date + "</FormCreationDate><FormCreationHour>" + hour + "</FormCreationHour></Form>"
	}
	for _, c := range []struct {
		name, forms string
		now         time.Time
		line        int
		has         string
	}{
		{"past", formAt("2026-03-02", "10:30:00.000"), now, 0, ""},
		{"within the hour", formAt("2026-03-02", "11:30:00.000"), now, 0, ""},
		{"beyond the hour", formAt("2026-03-02", "11:30:00.001"), now, 2, "forms: 1"},
		{"tomorrow", formAt("2026-03-03", "00:00:00.000"), now, 2, "forms: 1"},
		{"tomorrow without an hour", formAt("2026-03-03", "x"), now, 2, "forms: 1"},
		{"today without an hour", formAt("2026-03-02", "x"), now, 0, ""},
		{"several", formAt("2026-03-02", "08:00:00.000") + formAt("2027-03-02", "08:00:00.000") + formAt("2027-03-02", "09:00:00.000"), now, 3, "forms: 2"},
		{"no date", formAt(secret, "08:00:00.000"), now, 0, ""},
		{"nothing to compare with", formAt("2999-01-01", "08:00:00.000"), time.Time{}, 0, ""},
		{"just after midnight in Brussels", formAt("2026-07-02", "00:10:00.000"), time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC), 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := Inspect(strings.NewReader("<Dimona"+xsi+">"+c.forms+"</Dimona>"), Options{Now: c.now})
			if err != nil || !info.OK() {
				t.Fatalf("%+v, %v", info.Faults, err)
			}
			switch {
			case c.has == "" && len(info.Faults) > 0, c.has != "" && len(info.Faults) != 1:
				t.Errorf("%v", info.Faults)
			case c.has != "" && (info.Faults[0].Line != c.line || !strings.Contains(info.Faults[0].String(), c.has) || info.Faults[0].ID != ""):
				t.Errorf("%+v", info.Faults[0])
			}
		})
	}
}

const (
	secret = "11111111111"
	xsi    = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="Dimona_20231.xsd"`
	form   = "<Form><INSS>" + secret + "</INSS></Form>"
	good   = "<Dimona" + xsi + ">" + form + "</Dimona>"
)

func TestFaults(t *testing.T) {
	type f struct {
		id   string
		warn bool
		line int
		has  string
	}
	for _, c := range []struct {
		name, doc string
		want      []f
	}{
		{"good", good, nil},
		{"other prefix for the instance", strings.ReplaceAll(good, "xsi", "i"), nil},
		{"empty", "", []f{{Empty, false, 0, "empty"}}},
		{"only a mark and white space", "\ufeff \r\n", []f{{Empty, false, 0, "empty"}}},
		{"not XML", secret + ";Jan", []f{{NotWellFormed, false, 0, "not XML"}}},
		{"cut", "<Dimona" + xsi + ">\n" + form + "\n<Form><INSS>" + secret, []f{{NotWellFormed, false, 3, "cut off"}}},
		{"nesting", "<Dimona" + xsi + ">\n<Form><INSS>" + secret + "</Form></Dimona>", []f{{NotWellFormed, false, 2, "element INSS"}}},
		{"ampersand", "<Dimona" + xsi + ">\n<Form><Name>" + secret + " & Zoon</Name></Form></Dimona>", []f{{NotWellFormed, false, 2, "&amp;"}}},
		{"text in a tag", "<Dimona" + xsi + "><Form><INSS" + secret + "></Form></Dimona>", []f{{NotWellFormed, false, 1, "element …"}}},
		{"bytes", "<Dimona" + xsi + "><Form><Name>\xe9" + secret + "</Name></Form></Dimona>", []f{{NotWellFormed, false, 1, "encoding"}}},
		{"doctype", "<!DOCTYPE Dimona [<!ENTITY a '" + secret + "'>]>" + good, []f{{NotWellFormed, false, 1, "DOCTYPE"}}},
		{"undeclared prefix", "<Dimona xsi:noNamespaceSchemaLocation='Dimona_20231.xsd'>" + form + "</Dimona>", []f{{NotWellFormed, false, 1, "prefix"}}},
		{"no schema", "<Dimona>" + form + "</Dimona>", []f{{NoSchema, false, 1, "names no schema"}}},
		{"empty schema", strings.Replace(good, "Dimona_20231.xsd", " ", 1), []f{{NoSchema, false, 1, "names no schema"}}},
		{"schema without prefix", "<Dimona noNamespaceSchemaLocation='Dimona_20231.xsd'>" + form + "</Dimona>", []f{{NoSchema, false, 1, "xmlns:xsi"}}},
		{"schema with a namespace", strings.Replace(good, "noNamespaceSchemaLocation", "schemaLocation", 1), []f{{NoSchema, false, 1, "noNamespaceSchemaLocation"}}},
		{"several schemas", strings.Replace(good, "Dimona_20231.xsd", "Dimona_20231.xsd Dimona_20223.xsd", 1), []f{{SeveralVersions, false, 1, "name one"}}},
		{"two versions", "<Dimona" + xsi + ">\n<Form xsi:noNamespaceSchemaLocation='Dimona_20223.xsd'/></Dimona>", []f{{SeveralVersions, false, 2, "one version"}}},
		{"two versions deep", "<Dimona" + xsi + "><Form>\n<DimonaIn><A/>\n<B xsi:noNamespaceSchemaLocation='Dimona_20223.xsd'/></DimonaIn></Form></Dimona>", []f{{SeveralVersions, false, 3, "B names"}}},
		{"one version twice", "<Dimona" + xsi + "><Form xsi:noNamespaceSchemaLocation='x/Form_20231.xsd'/></Dimona>", nil},
		{"no form", "<Dimona" + xsi + "/>", []f{{NoDeclaration, false, 0, "at least one Form"}}},
		{"other blocks", "<Dimona" + xsi + ">\n" + form + "<Blok/>\n<Blok/><Form2>" + form + "</Form2></Dimona>", []f{{NotAForm, false, 2, "Blok"}, {NotAForm, false, 3, "Form2"}}},
		{"other blocks only", "<Dimona><Blok/></Dimona>", []f{{NoSchema, false, 1, ""}, {NotAForm, false, 1, ""}, {NoDeclaration, false, 0, ""}}},
		{"block with a number", "<Dimona" + xsi + ">" + form + "<B" + secret + "/></Dimona>", []f{{NotAForm, false, 1, "…"}}},
		{"unknown encoding", "<?xml version='1.0' encoding='x-none'?>" + good, []f{{BadEncoding, false, 1, "x-none"}}},
		{"encoding that is none", "<?xml version='1.0' encoding='" + secret + "'?>" + good, []f{{BadEncoding, false, 1, "UTF-8"}}},
		{"utf-32", "\xff\xfe\x00\x00<\x00\x00\x00", []f{{BadEncoding, false, 1, "UTF-8"}}},
		{"says utf-16", "<?xml version='1.0' encoding='utf-16'?>" + good, []f{{BadEncoding, false, 1, "make both"}}},
		{"mark against declaration", "\ufeff<?xml version='1.0' encoding='iso-8859-1'?>" + good, []f{{BadEncoding, true, 1, "make both"}}},
		{"no hyphen", "<?xml version='1.0' encoding='UTF8'?>" + good, []f{{BadEncoding, true, 1, "hyphen"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := Inspect(strings.NewReader(c.doc), Options{})
			if err != nil {
				t.Fatal(err)
			}
			ok := len(info.Faults) == len(c.want)
			for i := range min(len(info.Faults), len(c.want)) {
				g, w := info.Faults[i], c.want[i]
				ok = ok && g.ID == w.id && g.Warning == w.warn && g.Line == w.line && strings.Contains(g.String(), w.has)
			}
			if !ok {
				t.Errorf("got %+v\nwant %+v", info.Faults, c.want)
			}
			if strings.Contains(fmt.Sprint(info.Faults, info.Encoding, info.Root), secret) {
				t.Errorf("content in %+v", info)
			}
			if info.Bytes != int64(len(c.doc)) {
				t.Errorf("%d bytes of %d read", info.Bytes, len(c.doc))
			}
		})
	}
}

func TestBounds(t *testing.T) {
	doc := "<Dimona" + xsi + ">"
	for i := range 50 {
		doc += fmt.Sprintf("<B%d/>", i)
	}
	doc += "<Form><Identification>" + strings.Repeat("x", 300) + "</Identification>" +
		strings.Repeat("<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>1</ReferenceNbr></Reference>", 100) + "</Form>" +
		strings.Repeat("<Form/>", 20) + "</Dimona>"
	n := 0
	info, err := Inspect(strings.NewReader(doc), Options{KeepForms: 5, OnForm: func(f Form) error { n++; return nil }})
	if err != nil || info.Forms != 21 || len(info.First) != 5 || n != 21 || info.OtherBlocks != 50 || len(info.Faults) != maxFaults {
		t.Errorf("%d forms, %d kept, %d handed over, %d blocks, %d faults, %v", info.Forms, len(info.First), n, info.OtherBlocks, len(info.Faults), err)
	}
	if f := info.First[0]; f.Identification != "" || len(f.References) != maxReferences {
		t.Errorf("first form %+v", f)
	}
	if info, _ := Inspect(strings.NewReader(doc), Options{KeepForms: -1}); info.First != nil {
		t.Error("forms kept")
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		r    io.Reader
		err  error
	}{
		{"reader", io.MultiReader(strings.NewReader(good[:100]), iotest.ErrReader(broken)), broken},
		{"reader behind a fault", io.MultiReader(strings.NewReader("<a></b>"+strings.Repeat(" ", 200<<10)), iotest.ErrReader(broken)), broken},
		{"deep", strings.NewReader("<Dimona" + xsi + ">" + strings.Repeat("<a>", 100)), xmlstream.ErrTooDeep},
		{"large", strings.NewReader("<Dimona" + xsi + ">" + strings.Repeat(secret, 200_000)), xmlstream.ErrTooLarge},
	} {
		if _, err := Inspect(c.r, Options{}); !errors.Is(err, c.err) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Inspect(strings.NewReader(good), Options{OnForm: func(Form) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("callback: %v", err)
	}
}

func TestInspectReadsToTheEnd(t *testing.T) {
	for _, doc := range []string{good, "<a></b>" + strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20), "\xff\xfe\x00\x00" + strings.Repeat("x", 1<<20)} {
		var got bytes.Buffer
		if _, err := Inspect(io.TeeReader(strings.NewReader(doc), &got), Options{}); err != nil {
			t.Error(err)
		}
		if got.String() != doc {
			t.Errorf("%.10q: %d bytes copied of %d", doc, got.Len(), len(doc))
		}
	}
}

func TestInspector(t *testing.T) {
	for _, doc := range []string{good, "", "<a></b>" + strings.Repeat("x", 1<<20), strings.Repeat("<a>", 1<<20)} {
		want, werr := Inspect(strings.NewReader(doc), Options{})
		i := NewInspector(Options{})
		var got bytes.Buffer
		if _, err := io.Copy(io.MultiWriter(&got, i), iotest.HalfReader(strings.NewReader(doc))); err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); fmt.Sprint(err) != fmt.Sprint(werr) {
			t.Errorf("close: %v, want %v", err, werr)
		}
		info, err := i.Result()
		if !reflect.DeepEqual(info, want) || fmt.Sprint(err) != fmt.Sprint(werr) || got.String() != doc {
			t.Errorf("%.10q: got %+v, %v", doc, info, err)
		}
		if _, err := i.Write([]byte("x")); err == nil {
			t.Error("write after close")
		}
	}
}

// forms repeats the middle of a declaration.
type forms struct {
	head, body, tail []byte
	n                int
}

func (f *forms) WriteTo(w io.Writer) (int64, error) {
	w.Write(f.head)
	for range f.n {
		if _, err := w.Write(f.body); err != nil {
			return 0, err
		}
	}
	_, err := w.Write(f.tail)
	return 0, err
}

func BenchmarkInspector(b *testing.B) {
	doc := testFile(b, "dimona.xml")
	i, j := bytes.Index(doc, []byte("  <Form>")), bytes.LastIndex(doc, []byte("</Dimona>"))
	f := &forms{doc[:i], bytes.Repeat(doc[i:j], 20), doc[j:], 500}
	b.SetBytes(int64(len(f.head) + f.n*len(f.body) + len(f.tail)))
	for b.Loop() {
		in := NewInspector(Options{})
		if _, err := f.WriteTo(in); err != nil {
			b.Fatal(err)
		}
		if info, err := in.Result(); err != nil || info.Forms != 30_000 {
			b.Fatal(info.Forms, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(testFile(f, "dimona.xml"))
	f.Add(testFile(f, "wech.xml"))
	f.Add([]byte(good))
	f.Add([]byte("<Dimona><Blok/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := Inspect(bytes.NewReader(b), Options{Limits: xmlstream.Limits{MaxToken: 1 << 12}, KeepForms: 3})
		if err != nil && !errors.Is(err, xmlstream.ErrTooDeep) && !errors.Is(err, xmlstream.ErrTooLarge) {
			t.Errorf("error %v", err)
		}
		if info.Bytes != int64(len(b)) || len(info.First) > 3 {
			t.Errorf("%d bytes of %d, %d forms", info.Bytes, len(b), len(info.First))
		}
		for _, f := range info.Faults {
			if f.ID == "" || f.String() == "" || strings.ContainsAny(f.String(), "\x00\x1b\r\n") {
				t.Errorf("fault %+v", f)
			}
		}
		if err == nil && info.OK() && (info.Forms == 0 || info.Schema == "" || info.OtherBlocks > 0) {
			t.Errorf("no fault in %+v", info)
		}
	})
}
