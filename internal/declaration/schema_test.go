package declaration

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The root element names its schema in one of two attributes, or in both.
func TestSchemaAttributes(t *testing.T) {
	const (
		instance = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
		flux     = ` xmlns="urn:flux"`
		file     = "G_20991.xsd"
	)
	plain := func(v string) string { return ` xsi:noNamespaceSchemaLocation="` + v + `"` }
	pairs := func(v string) string { return ` xsi:schemaLocation="` + v + `"` }
	long := strings.Repeat("x", 300) + ".xsd"
	for _, c := range []struct {
		name, attributes string
		schema           string
		id               string // of the fault; empty: none
		warn             bool
		has              string
	}{
		{"plain", instance + plain(file), file, "", false, ""},
		{"plain, white space around", instance + plain("\n "+file+" "), file, "", false, ""},
		{"pair", flux + instance + pairs("urn:flux "+file), file, "", false, ""},
		{"pair, other prefix", flux + strings.ReplaceAll(instance+pairs("urn:flux "+file), "xsi", "i"), file, "", false, ""},
		{"pair, line feeds", flux + instance + pairs("\n\turn:flux\r\n  "+file+"\n"), file, "", false, ""},
		{"pair, an address", flux + instance + pairs("urn:flux http://example.invalid/"+file), "http://example.invalid/" + file, "", false, ""},
		{"pair before the namespaces", pairs("urn:flux "+file) + instance + flux, file, "", false, ""},
		{"several pairs, one of the root", flux + instance + pairs("urn:other O_20231.xsd urn:flux "+file+" urn:third T_20222.xsd"), file, "", false, ""},
		{"the same pair twice", flux + instance + pairs("urn:flux "+file+" urn:flux x/"+file), file, "", false, ""},
		{"two files of one version", flux + instance + pairs("urn:flux "+file+" urn:flux H_20991.xsd"), file, "", false, ""},
		{"two versions for the root", flux + instance + pairs("urn:flux "+file+" urn:flux G_20984.xsd"), "", SeveralVersions, false, "several schemas for the namespace"},
		{"several pairs, none of the root", flux + instance + pairs("urn:other "+file+" urn:third T_20222.xsd"), "", NoSchema, false, "none of the schemas"},
		{"several pairs, a root without a namespace", instance + pairs("urn:other "+file+" urn:third T_20222.xsd"), "", NoSchema, false, "none of the schemas"},
		{"the only pair, of another namespace", flux + instance + pairs("urn:other "+file), file, OtherNamespace, true, "not in the namespace"},
		{"the only pair, a root without a namespace", instance + pairs("urn:flux "+file), file, OtherNamespace, true, "not in the namespace"},
		{"one word", flux + instance + pairs(file), "", NoSchema, false, "and has 1"},
		{"three words", flux + instance + pairs("urn:flux "+file+" urn:flux"), "", NoSchema, false, "and has 3"},
		{"no word", flux + instance + pairs(" \n"), "", NoSchema, false, "write the namespace"},
		{"a name that is too long", flux + instance + pairs("urn:flux "+long), "", NoSchema, false, "write the namespace"},
		{"neither, in a namespace", flux + instance, "", NoSchema, false, "add xsi:schemaLocation"},
		{"neither", instance, "", NoSchema, false, "add xsi:noNamespaceSchemaLocation"},
		{"pair without its prefix", flux + ` schemaLocation="urn:flux ` + file + `"`, "", NoSchema, false, "xmlns:xsi"},
		{"pair in another namespace", flux + ` xmlns:xsi="urn:xsi"` + pairs("urn:flux "+file), "", NoSchema, false, "xmlns:xsi"},
		{"both, the same", flux + instance + pairs("urn:flux "+file) + plain(file), file, "", false, ""},
		{"both, the same version", flux + instance + pairs("urn:flux "+file) + plain("x/H_20991.xsd"), file, "", false, ""},
		{"both, in a namespace, in contradiction", flux + instance + pairs("urn:flux "+file) + plain("G_20984.xsd"), file, SeveralVersions, false, "leave one of the two out"},
		{"both, of no namespace, the pair is of another", instance + pairs("urn:other O_20231.xsd") + plain(file), file, "", false, ""},
		{"both, in a namespace, the pair is of another", flux + instance + pairs("urn:other O_20231.xsd") + plain(file), file, "", false, ""},
		{"both, pairs of others", instance + pairs("urn:other O_20231.xsd urn:third T_20222.xsd") + plain(file), file, "", false, ""},
		{"both, the plain one empty", flux + instance + pairs("urn:flux "+file) + plain(""), file, "", false, ""},
		{"both, the pair empty", instance + pairs("") + plain(file), file, "", false, ""},
		{"both empty", instance + pairs("") + plain(""), "", NoSchema, false, "write the file name"},
		{"both, the pair odd", instance + pairs("urn:flux") + plain(file), file, NoSchema, true, "and has 1"},
		{"both, several in the plain one", flux + instance + pairs("urn:flux "+file) + plain(file+" G_20984.xsd"), file, SeveralVersions, false, "names several schemas"},
	} {
		for _, prefix := range []string{"", "g:"} {
			t.Run(c.name+" "+prefix, func(t *testing.T) {
				attributes := c.attributes
				if prefix != "" { // the namespace has a prefix, and the elements below have it too
					attributes = strings.ReplaceAll(attributes, "xmlns=", "xmlns:g=")
					if !strings.Contains(attributes, "xmlns:g=") {
						t.Skip("the root is in no namespace")
					}
				}
				doc := "<" + prefix + "GenericXmlDocument" + attributes + "><" + prefix + "Form><" + prefix + "Identification>REDCORQ</" + prefix + "Identification></" + prefix + "Form></" + prefix + "GenericXmlDocument>"
				info, err := Inspect(strings.NewReader(doc), Options{})
				if err != nil {
					t.Fatal(err)
				}
				if info.Root != "GenericXmlDocument" || info.Forms != 1 || info.OtherBlocks != 0 || info.Identification != "REDCORQ" {
					t.Errorf("%+v", info)
				}
				if info.Schema != c.schema || info.SchemaVersion != version(c.schema) {
					t.Errorf("schema %q, version %q, want %q", info.Schema, info.SchemaVersion, c.schema)
				}
				switch {
				case c.id == "" && len(info.Faults) > 0, c.id != "" && len(info.Faults) != 1:
					t.Errorf("faults %v", info.Faults)
				case c.id != "" && (info.Faults[0].ID != c.id || info.Faults[0].Warning != c.warn || info.Faults[0].Line != 1 || !strings.Contains(info.Faults[0].String(), c.has)):
					t.Errorf("%+v: %s, want %s with %q", info.Faults[0], info.Faults[0], c.id, c.has)
				}
				if said := fmt.Sprint(info.Faults); strings.Contains(said, "urn:") && !strings.Contains(said, "xmlns:xsi") {
					t.Errorf("a namespace is said: %s", said)
				}
			})
		}
	}
}

// A document inside a form has a schema of its own; what is the root's is named
// on the root only.
func TestSchemasBelow(t *testing.T) {
	const (
		generic = `<GenericXmlDocument xmlns="urn:flux" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:flux G_20991.xsd">` + "\n"
		dimona  = `<Dimona` + xsi + ">\n"
	)
	for _, c := range []struct {
		name, root, below string
		fault             bool
	}{
		{"document of another namespace", generic, `<Form><Data><a:A xmlns:a="urn:a" xsi:schemaLocation="urn:a A_20231.xsd"/></Data></Form>`, false},
		{"document without a namespace", generic, `<Form><Data><A xmlns="" xsi:noNamespaceSchemaLocation="A_20231.xsd"/></Data></Form>`, false},
		{"the root's, the same", generic, `<Form xsi:schemaLocation="urn:flux x/G_20991.xsd"/>`, false},
		{"the root's, another version", generic, `<Form xsi:schemaLocation="urn:a A_20991.xsd urn:flux G_20231.xsd"/>`, true},
		{"the root's, another version, deep", generic, `<Form><Data><B xsi:schemaLocation="urn:flux G_20231.xsd"/></Data></Form>`, true},
		{"pair in a file without a namespace", dimona, `<Form><a:A xmlns:a="urn:a" xsi:schemaLocation="urn:a A_20991.xsd"/></Form>`, false},
		{"plain in a file without a namespace", dimona, `<Form><A xsi:noNamespaceSchemaLocation="A_20991.xsd"/></Form>`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := "</" + strings.Fields(c.root)[0][1:] + ">"
			info, err := Inspect(strings.NewReader(c.root+c.below+end), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if c.fault != (len(info.Faults) == 1) || c.fault && (info.Faults[0].ID != SeveralVersions || info.Faults[0].Line != 2) {
				t.Errorf("faults %v", info.Faults)
			}
		})
	}
}

// What chooses the application, and what tells a reply. Only plain codes are
// kept, since they are said.
func TestIdentifications(t *testing.T) {
	id := func(v string) string { return "\n<Form><Identification>" + v + "</Identification></Form>" }
	many := ""
	for i := range 2 * maxIdentifications {
		many += id(fmt.Sprintf("M%c%03d", 'A'+i/26, i))
	}
	for _, c := range []struct {
		name, forms string
		want        []Identification
		answers     int
	}{
		{"none", "<Form/>", nil, 0},
		{"each once", id("REDCORQ") + id("ECOUDRQ") + id(" REDCORQ\n"), []Identification{{"REDCORQ", 2}, {"ECOUDRQ", 3}}, 0},
		{"listed codes", id("DMFA") + id("DMFAPPL") + id("UWDUCUP") + id("ATDO001"), []Identification{{"DMFA", 2}, {"DMFAPPL", 3}, {"UWDUCUP", 4}, {"ATDO001", 5}}, 0},
		{"numbers and names", id(secret) + id("0123456789") + id("J. Peeters") + id("Peeters") + id("BE0123456789") + id("A\u202eB"), []Identification{{"…", 2}}, 0},
		{"too long", id("ABCDEFGHI") + id(strings.Repeat("A", 300)), []Identification{{"…", 2}}, 0},
		{"not of a form", "<Form><Data><Identification>REDCORQ</Identification></Data></Form>", nil, 0},
		{"answers", id("REDCORQ") + "\n<Form><HandledOriginalFile><SenderId>1</SenderId></HandledOriginalFile></Form>\n<Form><HandledOriginalForm/></Form>", []Identification{{"REDCORQ", 2}}, 3},
		{"a result", "\n<Form><HandlingResult/></Form>", nil, 2},
		{"a reception", "\n<Form><ReceptionResult/></Form>", nil, 2},
		{"an answer inside a document", "\n<Form><Data><HandledOriginalForm/></Data></Form>", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			info, err := Inspect(strings.NewReader("<Dimona"+xsi+">"+c.forms+"</Dimona>"), Options{KeepForms: -1})
			if err != nil || !info.OK() {
				t.Fatalf("%v, %v", info.Faults, err)
			}
			if !reflect.DeepEqual(info.Identifications, c.want) || info.Answers != c.answers {
				t.Errorf("got %v, %d, want %v, %d", info.Identifications, info.Answers, c.want, c.answers)
			}
		})
	}
	info, err := Inspect(strings.NewReader("<Dimona"+xsi+">"+many+"</Dimona>"), Options{})
	if err != nil || len(info.Codes()) != maxIdentifications || info.Codes()[0] != "MA000" {
		t.Errorf("%d values, %v", len(info.Codes()), err)
	}
}
