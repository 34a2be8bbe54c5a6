package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// generic is a message with the root element of several applications.
func generic(identification string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n" +
		`<GenericXmlDocument xmlns="urn:flux" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:flux GenericXmlDocument_20231.xsd">` + "\r\n" +
		"<Form><Identification>" + identification + "</Identification><FormCreationDate>2026-11-25</FormCreationDate>" +
		"<FormCreationHour>09:30:00.001</FormCreationHour><AttestationStatus>0</AttestationStatus><TypeForm>SU</TypeForm>" +
		"<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>own-1</ReferenceNbr></Reference></Form>\r\n" +
		"</GenericXmlDocument>\r\n"
}

// prefixed is the same with a prefix on every element.
func prefixed(doc string) string {
	return strings.NewReplacer("xmlns=", "xmlns:g=", "</", "</g:", "<?", "<?", "<", "<g:").Replace(doc)
}

// What has the generic root element is received and answered as anything else:
// its schema stands in another attribute, and Identification says what it is.
func TestGenericDocuments(t *testing.T) {
	for _, c := range []struct {
		name, application, content string
		want                       string // error ids
	}{
		{"ECRQ", "ECRQ", generic("ECARORQ"), ""},
		{"ECOR", "ECOR", generic("ECOUDRQ"), ""},
		{"RECO", "RECO", generic("REDCORQ"), ""},
		{"ATDO", "ATDO", generic("ATDO001"), ""},
		{"FLEX", "FLEX", generic("FLXWAGE"), ""},
		{"FLEX with its own root", "FLEX", strings.ReplaceAll(generic("FLXWAGE"), "GenericXmlDocument", "FLXWAGE"), ""},
		{"with a prefix", "ECOR", prefixed(generic("ECOUDRQ")), ""},
		{"Identification that is not known", "ATDO", generic("NEWS001"), ""},
		{"an application whose roots are not known", "LOIC", generic("LOIC001"), ""},
		{"Identification of another", "ECOR", generic("REDCORQ"), "158"},
		{"an answer", "ECRQ", generic("ECAROAN"), "158"},
		{"another root", "ECOR", dimona(1), "158"},
		{"the generic root for another application", "DIMN", generic("ECOUDRQ"), "158"},
		{"no schema for its namespace", "ECOR", strings.Replace(generic("ECOUDRQ"), "urn:flux GenericXmlDocument_20231.xsd", "GenericXmlDocument_20231.xsd", 1), "136"},
		{"two versions", "ECOR", strings.Replace(generic("ECOUDRQ"), "_20231.xsd", "_20231.xsd urn:flux GenericXmlDocument_20224.xsd", 1), "302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, nil)
			client := connect(t, s)
			sent := set(c.application, "00001", naming.Test, 1)
			send(t, client, sent, nil, c.content)
			s.Flush()

			var want []string
			for id := range strings.FieldsSeq(c.want) {
				want = append(want, "ACRF-"+id)
			}
			if got := s.Processed(); len(got) != 1 || !slices.Equal(got[0].Errors, want) {
				t.Fatalf("processed %+v, want errors %q", got, want)
			}
			const tail = ".999999." + today + ".00001.T"
			acrf := forms(t, get(t, client, "OUTTEST/FO.ACRF"+tail))
			if (acrf[0].Outcome == reply.Accepted) != (want == nil) {
				t.Errorf("receipt %+v", acrf)
			}
			if want != nil {
				return
			}
			noti := forms(t, get(t, client, "OUTTEST/FO.NOTI"+tail))
			if len(noti) != 1 || noti[0].Outcome != reply.Accepted || noti[0].References[0].Number != "own-1" || noti[0].Handled.CreationHour != "09:30:00.001" ||
				!strings.Contains(c.content, noti[0].Handled.Identification) {
				t.Errorf("notification %+v", noti)
			}
		})
	}
}
