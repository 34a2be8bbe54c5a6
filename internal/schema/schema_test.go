package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/socbatch/socbatch/internal/declaration"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "85010112345"

// good fits testdata/Dimona_20991.xsd.
const good = `<?xml version="1.0" encoding="UTF-8"?>
<Dimona xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="Dimona_20991.xsd">
<Form>
<Identification>DIMONA</Identification>
<Day>2026-03-01</Day>
<Kind>SU</Kind>
<In role="a">
<INSS>85010112345</INSS>
<Hours>7.5</Hours>
</In>
<Remark>nothing</Remark>
</Form>
</Dimona>
`

func openDir(t testing.TB, dir string) *Dir {
	t.Helper()
	d, err := Open(dir)
	if errors.Is(err, ErrNoProgram) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestFaults(t *testing.T) {
	d := openDir(t, "testdata")
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{"none", "", "", nil},
		{"pattern", ">DIMONA<", ">" + secret + "' is not accepted by the pattern '" + secret + "<", []string{"line 4, at element Identification: its value does not have the form [A-Z]{3,8}"}},
		{"enumeration", ">SU<", ">" + secret + "<", []string{"line 6, at element Kind: its value is none of SU, PA"}},
		{"a value of two lines", ">SU<", ">" + secret + "\nx<", []string{"line 7, at element Kind: its value is none of SU, PA"}},
		{"built-in type", "2026-03-01", secret, []string{"line 5, at element Day: its value is not of the type xs:date"}},
		{"too large", secret, "9" + secret, []string{"line 8, at element INSS: its value is larger than 99999999999", "line 8, at element INSS: its value has more digits than 11"}},
		{"too small", secret, "-" + secret, []string{"line 8, at element INSS: its value is smaller than 1"}},
		{"no number", secret, "x" + secret, []string{"line 8, at element INSS: its value is not of the type NumberType"}},
		{"exclusive", "7.5", "100", []string{"line 9, at element Hours: its value is not less than 100"}},
		{"exclusive below", "7.5", "-1", []string{"line 9, at element Hours: its value is not more than -1"}},
		{"fraction", "7.5", "7.555", []string{"line 9, at element Hours: its value has more digits behind the point than 2"}},
		{"short", "nothing", "x", []string{"line 11, at element Remark: its value has fewer characters than 2"}},
		{"long", "nothing", strings.Repeat(secret, 2), []string{"line 11, at element Remark: its value has more characters than 20"}},
		{"very long", "nothing", strings.Repeat(secret, 5_000), []string{"line 11, at element Remark: its value has more characters than 20"}},
		{"missing", "<Day>2026-03-01</Day>\n", "", []string{"line 5, at element Kind: it may not stand here: Day is expected"}},
		{"choice", "<In role=\"a\">", "<X" + secret + "/><In role=\"a\">", []string{"line 7, at element …: it may not stand here: one of In, Out is expected"}},
		{"too often", "<Remark>nothing</Remark>", strings.Repeat("<Remark>nothing</Remark>", 3), []string{"line 11, at element Remark: it may not stand here, or not so often"}},
		{"missing at the end", "<Hours>7.5</Hours>\n", "", []string{"line 9, at element In: an element is missing at its end: Hours is expected"}},
		{"text", "<Form>", "<Form>" + secret, []string{"line 4, at element Form: text may not stand directly in it"}},
		{"element in a value", "nothing", "x<y/>", []string{"line 11, at element Remark: no elements may stand in it", "line 11, at element Remark: its value has fewer characters than 2"}},
		{"attribute", "<Form>", "<Form x=\"" + secret + "\">", []string{"line 3, at attribute x of element Form: the attribute may not stand here"}},
		{"missing attribute", " role=\"a\"", "", []string{"line 7, at element In: an attribute is missing"}},
		{"value of an attribute", "<Dimona ", "<Dimona mode=\"" + secret + "\" ", []string{"line 2, at attribute mode of element Dimona: its value is not of the type xs:boolean"}},
		{"root", "Dimona", "Other", []string{"line 2, at element Other: the schema does not know it: check whether the file names the right schema"}},
		{"two", "SU</Kind>\n<In role=\"a\">\n<INSS>" + secret, "XX</Kind>\n<In role=\"a\">\n<INSS>0", []string{"line 6, at element Kind: its value is none of SU, PA", "line 8, at element INSS: its value is smaller than 1"}},
		{"cut off", "</Dimona>", "", []string{"xmllint cannot read the whole file"}},
		{"a message in a value", ">SU<", ">\n-:1: Schemas validity error : Element 'x': The value '" + secret + "' is not accepted by the pattern '" + secret + "'.<", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := good
			if c.name == "root" {
				doc = strings.NewReplacer("<Dimona", "<Other", "</Dimona", "</Other").Replace(doc)
			} else if c.from != "" {
				doc = strings.Replace(good, c.from, c.to, 1)
			}
			faults, err := d.Validate(t.Context(), "http://example/Dimona_20991.xsd", strings.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range faults {
				if f.ID != declaration.NotValid || f.Warning {
					t.Errorf("%+v", f)
				}
				got = append(got, f.String())
			}
			all := strings.Join(got, "\n")
			if strings.Contains(all, secret) {
				t.Errorf("content in %q", all)
			}
			if c.name == "a message in a value" {
				if len(got) == 0 {
					t.Error("nothing found")
				}
				return
			}
			if all != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", all, strings.Join(c.want, "\n"))
			}
		})
	}
}

// In a schema with a namespace names have it before them, which is not said.
func TestFaultsInANamespace(t *testing.T) {
	d := openDir(t, "testdata")
	const head = `<?xml version="1.0" encoding="UTF-8"?>
<g:GenericXmlDocument xmlns:g="urn:socbatch:generic" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="urn:socbatch:generic Generic_20991.xsd">
`
	const form = "<g:Form><g:Identification>REDCORQ</g:Identification><g:Quarter>20991</g:Quarter></g:Form>\n"
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{"none", "", "", nil},
		{"without a prefix", "g:", "", nil},
		{"enumeration", "REDCORQ", secret, []string{"line 4, at element Identification: its value is none of ECOUDRQ, REDCORQ"}},
		{"its own type", ">20991<", ">" + secret + "x<", []string{"line 4, at element Quarter: its value is not of the type QuarterType"}},
		{"limit", ">20991<", ">" + secret + "<", []string{"line 4, at element Quarter: its value is larger than 99994"}},
		{"not expected", "<g:Quarter>20991</g:Quarter>", "<g:X" + secret + "/>", []string{"line 4, at element …: it may not stand here: one of Quarter, Year is expected"}},
		{"missing", "<g:Identification>REDCORQ</g:Identification>", "", []string{"line 4, at element Quarter: it may not stand here: Identification is expected"}},
		{"missing at the end", "<g:Quarter>20991</g:Quarter>", "", []string{"line 4, at element Form: an element is missing at its end: one of Quarter, Year is expected"}},
		{"attribute", "<g:Form>", "<g:Form mark=\"" + secret + "x\">", []string{"line 4, at attribute mark of element Form: its value is not of the type QuarterType"}},
		{"another namespace", "urn:socbatch:generic\" xmlns:xsi", "urn:other\" xmlns:xsi", []string{"line 3, at element GenericXmlDocument: the schema does not know it: check whether the file names the right schema"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := head + form + "</g:GenericXmlDocument>\n"
			switch {
			case c.from == "g:":
				doc = strings.NewReplacer("xmlns:g=", "xmlns=", "<g:", "<", "</g:", "</").Replace(doc)
			case c.from != "":
				doc = strings.Replace(doc, c.from, c.to, 1)
			}
			info, err := declaration.Inspect(strings.NewReader(doc), declaration.Options{})
			if err != nil || Name(info.Schema) != "Generic_20991.xsd" {
				t.Fatalf("schema %q, %v", info.Schema, err)
			}
			faults, err := d.Validate(t.Context(), info.Schema, strings.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range faults {
				got = append(got, f.String())
			}
			if all := strings.Join(got, "\n"); all != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", all, strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestAgreesWithTheProgram changes documents at random: there is a fault exactly
// where xmllint by itself finds one, and it never holds a value.
func TestAgreesWithTheProgram(t *testing.T) {
	d := openDir(t, "testdata")
	random := rand.New(rand.NewPCG(1, 2))
	lines := strings.SplitAfter(good, "\n")
	n := 150
	if testing.Short() {
		n = 20
	}
	for range n {
		doc := mutate(random, lines)
		cmd := exec.Command(d.program, "--noout", "--nonet", "--schema", "testdata/Dimona_20991.xsd", "-")
		cmd.Stdin = strings.NewReader(doc)
		out, err := cmd.CombinedOutput()
		faults, verr := d.Validate(t.Context(), "Dimona_20991.xsd", strings.NewReader(doc))
		if verr != nil {
			t.Fatal(verr)
		}
		if (err != nil) != (len(faults) > 0) {
			t.Errorf("xmllint: %v, here %v for\n%s\n%s", err, faults, doc, out)
		}
		if strings.Contains(fmt.Sprint(faults), secret) {
			t.Errorf("content in %v", faults)
		}
	}
}

// mutate leaves out, repeats, swaps or changes a line or two between the root's
// tags.
func mutate(random *rand.Rand, lines []string) string {
	out := append([]string(nil), lines...)
	for range 1 + random.IntN(2) {
		i := 3 + random.IntN(len(out)-6)
		switch random.IntN(6) {
		case 0:
			if !strings.Contains(out[i], "</") || strings.HasPrefix(out[i], "</") {
				continue // the document stays well-formed
			}
			out = append(out[:i:i], out[i+1:]...)
		case 1:
			if strings.Contains(out[i], "</") && !strings.HasPrefix(out[i], "</") {
				out = append(out[:i:i], append([]string{out[i]}, out[i:]...)...)
			}
		case 2:
			if j := i + 1; strings.Count(out[i], "</") == 1 && strings.Count(out[j], "</") == 1 && out[i][1] != '/' && out[j][1] != '/' {
				out[i], out[j] = out[j], out[i]
			}
		case 3:
			out[i] = strings.Replace(out[i], ">", ">"+secret, 1)
		case 4:
			out[i] = strings.Replace(out[i], "Remark>", "Other>", 2)
		case 5: // white space changes nothing in most values
			out[i] = strings.Replace(out[i], "</", " </", 1)
		}
	}
	return strings.Join(out, "")
}

func TestManyFaults(t *testing.T) {
	d := openDir(t, "testdata")
	head, form, _ := strings.Cut(good, "<Form>")
	form = "<Form>" + strings.TrimSuffix(form, "</Dimona>\n")
	doc := head + strings.Repeat(strings.Replace(form, ">SU<", ">"+secret+"<", 1), 50_000) + "</Dimona>"
	faults, err := d.Validate(t.Context(), "Dimona_20991.xsd", strings.NewReader(doc))
	if err != nil || len(faults) != maxFaults+1 || !strings.Contains(faults[maxFaults].String(), "there are more") {
		t.Errorf("%d faults, %v", len(faults), err)
	}
}

func TestLineOfALargeFile(t *testing.T) {
	d := openDir(t, "testdata")
	head, form, _ := strings.Cut(good, "<Form>")
	form = "<Form>" + strings.TrimSuffix(form, "</Dimona>\n")
	doc := head + strings.Repeat(form, 10_000) + strings.Replace(form, ">SU<", ">XX<", 1) + "</Dimona>"
	faults, err := d.Validate(t.Context(), "Dimona_20991.xsd", strings.NewReader(doc))
	if err != nil || len(faults) != 1 || faults[0].Line != 2+10*10_000+4 {
		t.Errorf("%v, %v", faults, err)
	}
}

func TestSchemaFiles(t *testing.T) {
	const (
		begin = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`
		end   = `<xs:element name="Dimona"/></xs:schema>`
	)
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside.xsd")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(outside, []byte(begin+`</xs:schema>`), 0o600); err != nil {
		t.Fatal(err)
	}
	write("up.xsd", begin+`<xs:include schemaLocation="../outside.xsd"/>`+end)
	write("deep/ok.xsd", begin+`<xs:include schemaLocation="../plain.xsd"/></xs:schema>`)
	write("plain.xsd", begin+`<xs:include schemaLocation="deep/ok.xsd"/>`+end)
	write("net.xsd", begin+`<xs:import namespace="u" schemaLocation="http://127.0.0.1:1/x.xsd"/>`+end)
	write("file.xsd", begin+`<xs:include schemaLocation="file://`+outside+`"/>`+end)
	write("absolute.xsd", begin+`<xs:include schemaLocation="`+outside+`"/>`+end)
	write("escaped.xsd", begin+`<xs:include schemaLocation="..%2foutside.xsd"/>`+end)
	write("lacks.xsd", begin+`<xs:include schemaLocation="none.xsd"/>`+end)
	write("doctype.xsd", `<!DOCTYPE a [<!ENTITY b SYSTEM "file://`+outside+`">]>`+begin+end)
	write("broken.xsd", begin)
	write("wrong.xsd", begin+`<xs:element name="Dimona" type="NoSuchType"/></xs:schema>`)
	if err := os.Symlink(outside, filepath.Join(dir, "link.xsd")); err != nil {
		t.Fatal(err)
	}
	d := openDir(t, dir)
	for _, c := range []struct{ name, has string }{
		{"plain.xsd", ""},
		{"up.xsd", "not below the directory"},
		{"net.xsd", "not below the directory"},
		{"file.xsd", "not below the directory"},
		{"absolute.xsd", "not below the directory"},
		{"escaped.xsd", "no such file"},
		{"lacks.xsd", "schema file none.xsd: no such file"},
		{"doctype.xsd", "DOCTYPE"},
		{"broken.xsd", "ends too early"},
		{"wrong.xsd", "xmllint cannot use it"},
		{"link.xsd", "schema file link.xsd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults, err := d.Validate(t.Context(), c.name, strings.NewReader("<Dimona/>"))
			var file *FileError
			switch {
			case c.has == "" && (err != nil || len(faults) > 0):
				t.Errorf("%v, %v", faults, err)
			case c.has != "" && (!errors.As(err, &file) || !strings.Contains(err.Error(), c.has)):
				t.Errorf("%v, want %q", err, c.has)
			}
		})
	}
	for _, name := range []string{"none.xsd", "..", ".", "/", "", "deep", "x/../../outside.xsd"} {
		var missing *MissingError
		if _, err := d.Validate(t.Context(), name, strings.NewReader("<Dimona/>")); !errors.As(err, &missing) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "plain.xsd")); err == nil {
		t.Error("a file is no directory")
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestNothingIsLeft(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("TEMP", tmp)
	d := openDir(t, "testdata")
	if _, err := d.Validate(t.Context(), "Dimona_20991.xsd", strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 1 {
		t.Errorf("%v", left)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestErrors(t *testing.T) {
	d := openDir(t, "testdata")
	broken := errors.New("broken")
	doc := io.MultiReader(strings.NewReader(good[:100]), errReader{broken})
	if _, err := d.Validate(t.Context(), "Dimona_20991.xsd", doc); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Validate(ctx, "Dimona_20991.xsd", strings.NewReader(good)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Open("testdata"); !errors.Is(err, ErrNoProgram) {
		t.Errorf("%v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// FuzzTranslator checks that nothing of what xmllint quotes is said, whatever it
// says.
func FuzzTranslator(f *testing.F) {
	f.Add("-:1: Schemas validity error : Element 'a': [facet 'pattern'] The value '85010112345' is not accepted by the pattern '[A-Z]'.\n")
	f.Add("-:1: element x: Schemas validity error : Element 'a', attribute 'b': '85010112345' is not a valid value of the atomic type 'xs:date'.\n")
	f.Add("-:7: parser error : 85010112345\n-:8: Schemas validity error : Element 'a': This element is not expected. Expected is one of ( 85010112345, b ).\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr := &translator{vocabulary: vocabulary{"a": true, "b": true, "[A-Z]": true}, full: func() {}}
		tr.read(bytes.NewBufferString(text))
		for _, f := range tr.faults {
			s := strings.TrimPrefix(f.String(), fmt.Sprintf("line %d", f.Line))
			digits := 0
			for _, r := range s {
				if r >= '0' && r <= '9' {
					digits++
				}
			}
			if digits > 10 || f.ID == "" || strings.ContainsAny(s, "\x00\x1b\r\n") {
				t.Errorf("%q said of %q", s, text)
			}
		}
	})
}
