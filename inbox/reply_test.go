package inbox_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/testkit"
)

// generic is a message with the root element of many applications, and a form
// with each of some values of Identification.
func generic(identifications ...string) []byte { return genericWith("", identifications...) }

func genericWith(inForm string, identifications ...string) []byte {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n" + `<GenericXmlDocument xmlns="urn:flux" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:flux GenericXmlDocument_20231.xsd">` + "\r\n")
	for _, v := range identifications {
		fmt.Fprintf(&b, "<Form><Identification>%s</Identification>%s</Form>\r\n", v, inForm)
	}
	b.WriteString("</GenericXmlDocument>\r\n")
	return []byte(b.String())
}

func zipped(t *testing.T, entries ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, e := range entries {
		w, err := z.Create(fmt.Sprintf("FO.%d", i))
		if err != nil {
			t.Fatal(err)
		}
		w.Write(e)
	}
	z.Close()
	return b.Bytes()
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(content)
	z.Close()
	return b.Bytes()
}

const replyName = "FO.NOTI.999999.20260302.00001.T"

// A reply is not sent, with whatever options, unless a person names its
// application.
func TestRunRefusesReplies(t *testing.T) {
	notification := testkit.Notification("GO.DIMN.101380.20260301.00001.T.1", testkit.Hour(1), "1")
	for _, c := range []struct {
		name, file string // file: the name; empty: x.xml
		content    []byte
		reply      string // application; "-": none is known
	}{
		{"receipt", "", testkit.Receipt("GO.DIMN.101380.20260301.00001.T.1", "3400000000001"), "ACRF"},
		{"notification", "", notification, "NOTI"},
		{"notification that breaks off", "", notification[:len(notification)-40], "NOTI"},
		{"notification with an older root", "", bytes.ReplaceAll(notification, []byte("NOTIFICATION"), []byte("Notification20223")), "NOTI"},
		{"notification with a prefix", "", []byte(`<n:NOTIFICATION xmlns:n="urn:n"><n:Form/></n:NOTIFICATION>`), "NOTI"},
		{"identity flux", "", testkit.Declaration("IDFLUX", "a"), "IDFL"},
		{"update notification", "", testkit.Declaration("DmfAUpdateNotification", "a"), "DMNO"},
		{"technical keys", "", testkit.Declaration("DmfAPID", "a"), "DMPI"},
		{"DmfA consultation", "", testkit.Declaration("DmfAConsultationAnswer", "a"), "DMDB"},
		{"personnel file", "", testkit.Declaration("PersonnelFileConsultationAnswer", "a"), "PFAN"},
		{"a consultation that is new", "", testkit.Declaration("NoveltyConsultationAnswer", "a"), "-"},
		{"deductions", "", testkit.Declaration("ReductionConsultationAnswer", "a"), "REAN"},
		{"unemployment", "", testkit.Declaration("EcoUnemploymentDaysConsultAnswer", "a"), "ECOA"},
		{"accounts", "", testkit.Declaration("BewareNotification", "a"), "BEWA"},
		{"control list", "", testkit.Declaration("BewareControlList", "a"), "BEWL"},
		{"generic, ECARO", "", generic("ECAROAN"), "ECAN"},
		{"generic, unemployment", "", generic("ECOUDAN"), "ECOA"},
		{"generic, deductions", "", generic("REDCOAN"), "REAN"},
		{"generic, a decision", "", generic("DEFI001"), "DEFI"},
		{"generic, transactions", "", generic("FINO014"), "FINO"},
		{"generic, a number that is not listed", "", generic("FISI009"), "FISI"},
		{"generic, one answer among requests", "", generic("REDCORQ", "REDCORQ", "REDCOAN"), "REAN"},
		{"generic, no application", "", generic("PPLCAL"), "-"},
		{"generic, says what it answers", "", genericWith("<HandledOriginalFile><SenderId>1</SenderId></HandledOriginalFile>", "NEWS001"), "-"},
		{"unknown root, says what it answers", "", []byte(`<Novelty><Form><HandledOriginalForm/></Form></Novelty>`), "-"},
		{"unknown root, Identification", "", bytes.ReplaceAll(testkit.Declaration("Novelty", "a"), []byte(">X<"), []byte(">PROA001<")), "PROA"},
		{"zip", "", zipped(t, notification), "NOTI"},
		{"zip of a generic one", "", zipped(t, generic("ECAROAN")), "ECAN"},
		{"gzip", "", gzipped(notification), "NOTI"},
		{"name", replyName, testkit.Dimona("a"), "NOTI"},
		{"name with an end", replyName + ".xml", testkit.Dimona("a"), "NOTI"},
		{"name of a compressed one", "CO" + replyName[2:], []byte("x"), "NOTI"},
		{"name of an application that is new", "FO.NEWS.999999.20260302.00001.T", testkit.Dimona("a"), "NEWS"},
		{"name of its signature", "FS" + replyName[2:], []byte("x"), "NOTI"},
		{"named as a declaration", "FI.ACRF.101380.20260302.00009.T.1.1", testkit.Receipt("GO.DIMN.101380.20260301.00001.T.1", "3400000000001"), "ACRF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			name := c.file
			if name == "" {
				name = "x.xml"
			}
			file := testkit.WriteFile(t, t.TempDir(), name, c.content)
			code := strings.Trim(c.reply, "-")
			for _, option := range []struct {
				name string
				set  func(*inbox.Submitter)
			}{
				{"plain", func(*inbox.Submitter) {}},
				{"without checks", func(s *inbox.Submitter) { s.SkipChecks = true }},
				{"an application of the directory", func(s *inbox.Submitter) { s.SkipChecks, s.Application = true, "FLEX" }},
				{"its own, of the directory", func(s *inbox.Submitter) { s.SkipChecks, s.Application = true, code }},
			} {
				s := w.submitter()
				option.set(s)
				var refused *inbox.ReplyError
				if o := w.run(s, w.plan(file))[0]; !errors.As(o.Err, &refused) || refused.Application != code || refused.Path != file {
					t.Errorf("%s: got %v, want a reply of %q", option.name, o.Err, code)
				}
			}
			if code != "" { // another one does not help
				s := w.submitter()
				s.SkipChecks, s.Application, s.Meant = true, "DIMN", "DIMN"
				var refused *inbox.ReplyError
				if o := w.run(s, w.plan(file))[0]; !errors.As(o.Err, &refused) {
					t.Errorf("meant as another: %v", o.Err)
				}
			}
			if w.server.goCount() != 0 || len(w.spoolDirs()) != 0 {
				t.Error("something was sent or kept")
			}
			s := w.submitter()
			if code == "" {
				code = "FLEX"
			}
			s.SkipChecks, s.Application, s.Meant = true, code, code
			if o := w.run(s, w.plan(file))[0]; o.Err != nil || o.Submission.Set.Application != code {
				t.Errorf("meant: %s, %v", o.Submission.Set, o.Err)
			}
			w.wantGOs(1)
		})
	}
}

// What is sent is no reply, however near it comes.
func TestRunSendsWhatIsNoReply(t *testing.T) {
	for _, c := range []struct {
		name, file string
		content    []byte
	}{
		{"declaration", "x.xml", testkit.Dimona("a")},
		{"Identification of a reply, root of a declaration", "x.xml", bytes.ReplaceAll(testkit.Dimona("a"), []byte(">X<"), []byte(">NOTI001<"))},
		{"a client whose code is CO", "CO.DMFA.xml", testkit.Dimona("a")},
		{"its own name", "FI.DIMN.101380.20260302.00009.T.1.1", testkit.Dimona("a")},
		{"request", "x.xml", generic("REDCORQ")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if o := w.run(w.submitter(), w.plan(testkit.WriteFile(t, t.TempDir(), c.file, c.content)))[0]; o.Err != nil {
				t.Error(o.Err)
			}
			w.wantGOs(1)
		})
	}
	for _, c := range []struct {
		name    string
		content []byte
	}{
		{"a compressed declaration", zipped(t, testkit.Dimona("a"))},
		{"several files", zipped(t, testkit.Dimona("a"), testkit.Dimona("b"))},
		{"a damaged archive", []byte("PK\x03\x04 nothing")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var faults *inbox.FaultsError
			if o := w.run(w.submitter(), w.jobs(c.content))[0]; !errors.As(o.Err, &faults) || !strings.Contains(o.Err.Error(), "unpacked") {
				t.Errorf("got %v", o.Err)
			}
			w.wantGOs(0)
		})
	}
}

// A part that is a reply holds back its whole set, and no other.
func TestRunRefusesAReplyAmongParts(t *testing.T) {
	w := newWorld(t)
	receipt := testkit.Receipt("GO.DIMN.101380.20260301.00001.T.1", "3400000000001")
	dir := t.TempDir()
	one := testkit.WriteFile(t, dir, "1.xml", testkit.Dimona("a"))
	two := testkit.WriteFile(t, dir, "2.xml", receipt)
	jobs, err := inbox.PlanParts([]string{one, two})
	if err != nil {
		t.Fatal(err)
	}
	other := w.jobs(testkit.Dimona("b"))
	out := w.run(w.submitter(), append(jobs, other...))
	var refused *inbox.ReplyError
	if !errors.As(out[0].Err, &refused) || refused.Path != two || out[1].Err != nil {
		t.Errorf("got %v, %v", out[0].Err, out[1].Err)
	}
	w.wantGOs(1)
}

// Where a root element fits several applications, the forms choose.
func TestRunChoosesByIdentification(t *testing.T) {
	const all = "ECRQ ECOR RECO ATDO FLEX"
	works := func(identification string) []byte {
		return bytes.ReplaceAll(testkit.Declaration("AVWDDT", "a"), []byte(">X<"), []byte(">"+identification+"<"))
	}
	for _, c := range []struct {
		name  string
		parts [][]byte
		given string
		skip  bool
		want  string
		// Where it is not sent: candidates of an ApplicationError with the values
		// that were seen, or what a FaultsError says.
		candidates, seen string
		fault            string
	}{
		{"ECRQ", [][]byte{generic("ECARORQ")}, "", false, "ECRQ", "", "", ""},
		{"ECOR", [][]byte{generic("ECOUDRQ")}, "", false, "ECOR", "", "", ""},
		{"RECO", [][]byte{generic("REDCORQ", "REDCORQ")}, "", false, "RECO", "", "", ""},
		{"ATDO", [][]byte{generic("ATDO001")}, "", false, "ATDO", "", "", ""},
		{"FLEX", [][]byte{generic("FLXWAGE")}, "", false, "FLEX", "", "", ""},
		{"FLEX with its own root", [][]byte{testkit.Declaration("FLXWAGE", "a")}, "", false, "FLEX", "", "", ""},
		{"building site", [][]byte{works("UWDUC")}, "", false, "DUCN", "", "", ""},
		{"works", [][]byte{works("AVWDDT")}, "", false, "DDTN", "", "", ""},
		{"given, the same", [][]byte{generic("REDCORQ")}, "RECO", false, "RECO", "", "", ""},
		{"given, another", [][]byte{generic("REDCORQ")}, "ECOR", false, "", "", "", "ACRF-158: line 3: Identification REDCORQ belongs to application RECO, not to ECOR"},
		{"given, another, without checks", [][]byte{generic("REDCORQ")}, "ECOR", true, "ECOR", "", "", ""},
		{"given, another root", [][]byte{generic("REDCORQ")}, "DIMN", false, "", "", "", "ACRF-158: the root element is GenericXmlDocument"},
		{"given, a root of one application", [][]byte{bytes.ReplaceAll(testkit.Dimona("a"), []byte(">X<"), []byte(">DMFA<"))}, "", false, "DIMN", "", "", ""},
		{"not known", [][]byte{generic("NEWS001", "…")}, "", false, "", all, "NEWS001 …", ""},
		{"not known, given", [][]byte{generic("NEWS001")}, "FLEX", false, "FLEX", "", "", ""},
		{"none", [][]byte{bytes.Replace(generic("NEWS001"), []byte("<Identification>NEWS001</Identification>"), nil, 1)}, "", false, "", all, "", ""},
		{"hostile", [][]byte{generic("85010112345", "\u202eR")}, "", false, "", all, "…", ""},
		{"forms disagree", [][]byte{generic("ECOUDRQ", "NEWS001", "REDCORQ")}, "", false, "", "", "", "ACRF-158: line 5: Identification REDCORQ belongs to application RECO, and that of an earlier form, ECOUDRQ, to ECOR"},
		{"forms disagree, given", [][]byte{generic("ECOUDRQ", "REDCORQ")}, "ECOR", false, "", "", "", "and that of an earlier form"},
		{"forms disagree, without checks", [][]byte{generic("ECOUDRQ", "REDCORQ")}, "", true, "", "ECOR RECO", "", ""},
		{"some are known", [][]byte{generic("NEWS001", "REDCORQ")}, "", false, "RECO", "", "", ""},
		{"the second part says it", [][]byte{generic("NEWS001"), generic("REDCORQ")}, "", false, "RECO", "", "", ""},
		{"parts disagree", [][]byte{generic("ECOUDRQ"), generic("REDCORQ")}, "", false, "", "", "", "Identification REDCORQ belongs to application RECO, not to ECOR"},
		{"parts disagree, given", [][]byte{generic("ECOUDRQ"), generic("REDCORQ")}, "ECOR", false, "", "", "", "Identification REDCORQ belongs to application RECO, not to ECOR"},
		{"a part with another root", [][]byte{generic("ECOUDRQ"), testkit.Dimona("a")}, "", false, "", "", "", "the root element is Dimona and files of application ECOR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var files []string
			dir := t.TempDir()
			for i, p := range c.parts {
				files = append(files, testkit.WriteFile(t, dir, fmt.Sprintf("%d.xml", i+1), p))
			}
			jobs, err := inbox.PlanParts(files)
			if err != nil {
				t.Fatal(err)
			}
			s := w.submitter()
			s.Application, s.Meant, s.SkipChecks = c.given, c.given, c.skip
			o := w.run(s, jobs)[0]
			var app *inbox.ApplicationError
			var faults *inbox.FaultsError
			switch {
			case c.want != "":
				if o.Err != nil || o.Submission.Set.Application != c.want {
					t.Errorf("got %s, %v", o.Submission.Set, o.Err)
				}
				w.wantGOs(1)
				return
			case c.fault != "":
				if !errors.As(o.Err, &faults) || !strings.Contains(o.Err.Error(), c.fault) {
					t.Errorf("got %v", o.Err)
				}
			case !errors.As(o.Err, &app) || !slices.Equal(app.Candidates, strings.Fields(c.candidates)) || !slices.Equal(app.Identifications, strings.Fields(c.seen)):
				t.Errorf("got %v: %+v", o.Err, app)
			}
			if text := fmt.Sprint(o.Err, o.Warnings); strings.Contains(text, "85010112345") || strings.Contains(text, "\u202e") {
				t.Errorf("content in %s", text)
			}
			w.wantGOs(0)
			if len(w.spoolDirs()) != 0 {
				t.Error("something was kept")
			}
		})
	}
}

// Of a root element of one application it is not known whether the office looks
// at Identification too.
func TestRunWarnsOfAnotherIdentification(t *testing.T) {
	w := newWorld(t)
	o := w.run(w.submitter(), w.jobs(bytes.ReplaceAll(testkit.Dimona("a"), []byte(">X<"), []byte(">DMFA<"))))[0]
	if o.Err != nil || len(o.Warnings) != 1 || !strings.Contains(o.Warnings[0].Error(), "Identification DMFA belongs to application DMFA, and the root element Dimona to DIMN") {
		t.Errorf("%v, %v", o.Err, o.Warnings)
	}
}
