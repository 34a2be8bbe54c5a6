package xmlstream

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

// read returns the names of the elements and the text of the document.
func read(t testing.TB, r io.Reader, l Limits, prefixes bool) (string, *Decoder, error) {
	t.Helper()
	d := New(r, l)
	if prefixes {
		d.RequirePrefixes()
	}
	var b strings.Builder
	for {
		tok, err := d.Next()
		if err == io.EOF {
			return b.String(), d, nil
		}
		if err != nil {
			if _, again := d.Next(); again != err {
				t.Errorf("error is not final: %v, then %v", err, again)
			}
			return b.String(), d, err
		}
		switch tok.Kind {
		case Start:
			b.WriteString("<" + tok.Name + ">")
		case End:
			b.WriteString("</" + tok.Name + ">")
		case Text:
			b.Write(tok.Text)
		}
	}
}

func utf16Bytes(s string, little bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if little {
			b = append(b, byte(u), byte(u>>8))
		} else {
			b = append(b, byte(u>>8), byte(u))
		}
	}
	return string(b)
}

func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		name, doc string
		want      string
		enc       Encoding
	}{
		{"plain", "<a>é€</a>", "<a>é€</a>", Encoding{Actual: "UTF-8"}},
		{"bom", "\ufeff<a>é</a>", "<a>é</a>", Encoding{Actual: "UTF-8", BOM: true}},
		{"declared", `<?xml version="1.0" encoding='utf-8' standalone="yes"?><a>é</a>`, "<a>é</a>", Encoding{Declared: "utf-8", Actual: "UTF-8"}},
		{"latin 1", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9\xa4</a>", "<a>é¤</a>", Encoding{Declared: "ISO-8859-1", Actual: "ISO-8859-1"}},
		{"latin 9", "<?xml version=\"1.0\" encoding=\"iso-8859-15\"?><a>\xe9\xa4</a>", "<a>é€</a>", Encoding{Declared: "iso-8859-15", Actual: "ISO-8859-15"}},
		{"windows", "<?xml version=\"1.0\" encoding=\"Windows-1252\"?><a>\xe9\x80</a>", "<a>é€</a>", Encoding{Declared: "Windows-1252", Actual: "windows-1252"}},
		{"utf-16le", utf16Bytes("\ufeff<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>é€😀</a>", true), "<a>é€😀</a>", Encoding{Declared: "UTF-16", Actual: "UTF-16LE", BOM: true}},
		{"utf-16be", utf16Bytes("\ufeff<a>é</a>", false), "<a>é</a>", Encoding{Actual: "UTF-16BE", BOM: true}},
		{"utf-16be without mark", utf16Bytes("<a>é</a>", false), "<a>é</a>", Encoding{Actual: "UTF-16BE"}},
		{"utf-16 that says utf-8", utf16Bytes("\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>", true), "<a></a>", Encoding{Declared: "UTF-8", Actual: "UTF-16LE", BOM: true, Mismatch: true}},
		{"utf-8 that says utf-16", `<?xml version="1.0" encoding="utf-16"?><a>é</a>`, "<a>é</a>", Encoding{Declared: "utf-16", Actual: "UTF-8", Mismatch: true}},
		{"mark that says latin 1", "\ufeff<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>é</a>", "<a>é</a>", Encoding{Declared: "iso-8859-1", Actual: "UTF-8", BOM: true, Mismatch: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.doc), iotest.OneByteReader(strings.NewReader(c.doc)), iotest.DataErrReader(strings.NewReader(c.doc))} {
				got, d, err := read(t, r, Limits{}, true)
				if err != nil || got != c.want {
					t.Errorf("got %q, %v; want %q", got, err, c.want)
				}
				if d.Encoding() != c.enc {
					t.Errorf("encoding %+v, want %+v", d.Encoding(), c.enc)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	const secret = "85010112345"
	for _, c := range []struct {
		name, doc string
		err       error
		problem   Problem
		line      int
	}{
		{"empty", "", ErrEmpty, "", 0},
		{"white space", " \r\n\t", ErrEmpty, "", 0},
		{"only a mark", "\ufeff", ErrEmpty, "", 0},
		{"much white space", strings.Repeat(" ", 70<<10), ErrEmpty, "", 0},
		{"declaration only", `<?xml version="1.0"?>`, ErrMalformed, ProblemUnfinished, 1},
		{"comment only", `<!-- x -->`, ErrMalformed, ProblemUnfinished, 1},
		{"csv", "a;" + secret, ErrNotXML, "", 0},
		{"pdf", "%PDF-1.7\n\xff\xfe<a/>", ErrNotXML, "", 0},
		{"zip", "PK\x03\x04\x00", ErrNotXML, "", 0},
		{"late text", strings.Repeat(" ", 70<<10) + "text<a/>", ErrNotXML, "", 0},
		{"nesting", "<a>\n<b>" + secret + "</a></b>", ErrMalformed, ProblemNesting, 2},
		{"other prefix", "<x:a xmlns:x='u'></a>", ErrMalformed, ProblemNesting, 1},
		{"cut in an element", "<a>\n\n" + secret, ErrMalformed, ProblemUnfinished, 3},
		{"cut in a tag", "<a", ErrMalformed, ProblemUnfinished, 1},
		{"stray end", "</a>", ErrMalformed, ProblemStrayEnd, 1},
		{"stray end behind", "<a/></a>", ErrMalformed, ProblemStrayEnd, 1},
		{"second root", "<a/>\n<b/>", ErrMalformed, ProblemSecondRoot, 2},
		{"text behind", "<a/>\n" + secret, ErrMalformed, ProblemOutside, 2},
		{"ampersand", "<a>\nJan & Zoon " + secret + "</a>", ErrMalformed, ProblemEntity, 2},
		{"unknown entity", "<a>&n" + secret + ";</a>", ErrMalformed, ProblemEntity, 1},
		{"angle", "<a>1 < " + secret + "</a>", ErrMalformed, ProblemAngle, 1},
		{"angle and digits", "<a>1 <" + secret + "</a>", ErrMalformed, ProblemAngle, 1},
		{"angle in attribute", "<a b='<" + secret + "'/>", ErrMalformed, ProblemAngle, 1},
		{"attribute without value", "<a b/>", ErrMalformed, ProblemAttribute, 1},
		{"attribute without quotes", "<a b=" + secret + "/>", ErrMalformed, ProblemAttribute, 1},
		{"attribute twice", "<a b='1' b='2'/>", ErrMalformed, ProblemDuplicate, 1},
		{"latin 1 bytes as utf-8", "<a>\xe9</a>", ErrMalformed, ProblemBytes, 1},
		{"control character", "<a>\x01</a>", ErrMalformed, ProblemChar, 1},
		{"late declaration", "\n<?xml version='1.0'?><a/>", ErrMalformed, ProblemDeclaration, 2},
		{"two declarations", "<?xml version='1.0'?><?xml version='1.0'?><a/>", ErrMalformed, ProblemDeclaration, 1},
		{"version", "<?xml version='" + secret + "'?><a/>", ErrMalformed, ProblemVersion, 1},
		{"comment", "<a><!-- -- --></a>", ErrMalformed, ProblemComment, 1},
		{"cdata end", "<a>]]></a>", ErrMalformed, ProblemCDATAEnd, 1},
		{"prefix", "<a><x:b/></a>", ErrMalformed, ProblemPrefix, 1},
		{"attribute prefix", "<a xsi:b='" + secret + "'/>", ErrMalformed, ProblemPrefix, 1},
		{"prefix out of scope", "<a><b xmlns:x='u'><x:c/></b><x:c/></a>", ErrMalformed, ProblemPrefix, 1},
		{"doctype", "<!DOCTYPE a><a/>", ErrEntity, ProblemDoctype, 1},
		{"entities", `<!DOCTYPE a [<!ENTITY l "l"><!ENTITY m "&l;&l;&l;">]><a>&m;</a>`, ErrEntity, ProblemDoctype, 1},
		{"external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, ErrEntity, ProblemDoctype, 1},
		{"deep", strings.Repeat("<a>", 65), ErrTooDeep, ProblemDepth, 1},
		{"long text", "<a>" + strings.Repeat("x", 1<<20+1) + "</a>", ErrTooLarge, ProblemToken, 1},
		{"long comment", "<a><!--" + strings.Repeat("x", 1<<20) + "--></a>", ErrTooLarge, ProblemToken, 1},
		{"long attribute", "<a b='" + strings.Repeat("x", 1<<20) + "'/>", ErrTooLarge, ProblemToken, 1},
		{"endless tag", "<a" + strings.Repeat(" ", 2<<20), ErrTooLarge, ProblemToken, 1},
		{"long name", "<a" + strings.Repeat("b", 256) + "/>", ErrTooLarge, ProblemName, 1},
		{"long attribute name", "<a a" + strings.Repeat("b", 256) + "=''/>", ErrTooLarge, ProblemName, 1},
		{"many attributes", "<a" + strings.Repeat(" b=''", 65) + "/>", ErrTooLarge, ProblemAttributes, 1},
		{"ebcdic", "\x4c\x6f\xa7\x94", ErrEncoding, ProblemEncodingName, 1},
		{"utf-32", "\xff\xfe\x00\x00<\x00\x00\x00", ErrEncoding, ProblemEncodingName, 1},
		{"unknown encoding", `<?xml version="1.0" encoding="x-none"?><a/>`, ErrEncoding, ProblemEncodingName, 1},
		{"no encoding name", `<?xml version="1.0" encoding="` + secret + `"?><a/>`, ErrEncoding, ProblemEncodingName, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, d, err := read(t, strings.NewReader(c.doc), Limits{}, true)
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			if e.Problem != c.problem || e.Line != c.line {
				t.Errorf("got problem %q on line %d, want %q on line %d", e.Problem, e.Line, c.problem, c.line)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(d.Encoding().Declared, secret) {
				t.Errorf("content in %q, %+v", err, d.Encoding())
			}
		})
	}
}

func TestTokenLimitIsExact(t *testing.T) {
	l := Limits{MaxToken: 100}
	if _, _, err := read(t, strings.NewReader("<a>"+strings.Repeat("x", 100)+"</a>"), l, false); err != nil {
		t.Error(err)
	}
	if _, _, err := read(t, strings.NewReader("<a>"+strings.Repeat("x", 101)+"</a>"), l, false); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	// The limit is of each token, not of the document.
	if _, _, err := read(t, strings.NewReader("<a>"+strings.Repeat("<b>x</b>", 1000)+"</a>"), l, false); err != nil {
		t.Error(err)
	}
}

func TestReaderErrorIsPassedOn(t *testing.T) {
	broken := errors.New("broken")
	for _, doc := range []string{"", "<a", "<a>text", strings.Repeat(" ", 2000) + "<a>"} {
		r := io.MultiReader(strings.NewReader(doc), iotest.ErrReader(broken))
		if _, _, err := read(t, r, Limits{}, false); err != broken {
			t.Errorf("%.10q: got %v", doc, err)
		}
	}
}

func TestLookupAndLine(t *testing.T) {
	d := New(strings.NewReader("<a xmlns='u' xmlns:x='v'>\n<b\nxmlns:x='w'/></a>"), Limits{})
	want := func(prefix, uri string) {
		t.Helper()
		if got, _ := d.Lookup(prefix); got != uri {
			t.Errorf("%q is %q, want %q", prefix, got, uri)
		}
	}
	d.Next()
	want("", "u")
	want("x", "v")
	d.Next()
	tok, _ := d.Next()
	want("x", "w")
	if tok.Line != 2 || d.Line() != 3 {
		t.Errorf("start on line %d, decoder on line %d", tok.Line, d.Line())
	}
	d.Next()
	want("x", "v")
}

func TestSkip(t *testing.T) {
	d := New(strings.NewReader("<a><b><c>1</c><c/></b><d/></a>"), Limits{})
	d.Next()
	d.Next()
	if err := d.Skip(); err != nil {
		t.Fatal(err)
	}
	if tok, err := d.Next(); err != nil || tok.Name != "d" {
		t.Errorf("after Skip: %v, %v", tok, err)
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"WECH001": "WECH001", "Form": "Form", "a-b.c_d": "a-b.c_d",
		"": "…", "x85010112345": "…", "é": "…", strings.Repeat("x", 65): "…", "a b": "…",
	} {
		if got := SafeName(in); got != want {
			t.Errorf("SafeName(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzDecoder checks that no input makes the decoder panic or say more than
// encoding/xml does: what it accepts, encoding/xml's own checks accept too.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"", "<a/>", "\ufeff<a b='c'>&amp;&#233;<![CDATA[<]]><!-- c --></a>", "<?xml version='1.0' encoding='iso-8859-15'?><a>\xa4</a>",
		utf16Bytes("\ufeff<a>é</a>", true), utf16Bytes("<a/>", false), "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a><b></a></b>", "<a xmlns:x='u'><x:b/></a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, d, err := read(t, strings.NewReader(string(b)), Limits{MaxToken: 1 << 12}, false)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("error %T: %v", err, err)
			}
			return
		}
		if d.Depth() != 0 || !strings.HasPrefix(got, "<") || !strings.HasSuffix(got, ">") {
			t.Errorf("accepted %q", got)
		}
		if d.Encoding().Actual != "UTF-8" || d.Encoding().BOM {
			return
		}
		ref := xml.NewDecoder(strings.NewReader(string(b)))
		ref.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
		for {
			if _, err := ref.Token(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatalf("accepted what encoding/xml refuses: %v", err)
			}
		}
	})
}
