package naming

import (
	"slices"
	"strings"
	"testing"
)

func TestApplicationTable(t *testing.T) {
	seen, owner := map[string]bool{}, map[string]string{}
	received := false
	for _, a := range Applications() {
		if !applicationForm(a.Code) {
			t.Errorf("%q is not four capital letters", a.Code)
		}
		if seen[a.Code] {
			t.Errorf("%s is there twice", a.Code)
		}
		seen[a.Code] = true
		if a.Meaning == "" || (a.Direction != Sent && a.Direction != Received) {
			t.Errorf("%s: meaning %q, direction %q", a.Code, a.Meaning, a.Direction)
		}
		if received && a.Direction == Sent {
			t.Errorf("%s is sent, but comes after one that is received", a.Code)
		}
		received = a.Direction == Received
		if len(a.Environments) == 0 || !slices.Contains(a.Environments, Production) {
			t.Errorf("%s exists in %v, want production among them", a.Code, a.Environments)
		}
		for _, e := range a.Environments {
			if !e.Valid() {
				t.Errorf("%s exists in %q", a.Code, e)
			}
		}
		if got, ok := LookupApplication(a.Code); !ok || got.Code != a.Code {
			t.Errorf("LookupApplication(%s) = %+v, %t", a.Code, got, ok)
		}
		for _, root := range a.Roots {
			found := ApplicationsForRoot(root)
			if !slices.ContainsFunc(found, func(b Application) bool { return b.Code == a.Code }) {
				t.Errorf("ApplicationsForRoot(%s) = %v, want %s among them", root, found, a.Code)
			}
			if !a.HasRoot(root) || len(found) == 1 != RootDecides(root) {
				t.Errorf("%s: HasRoot(%s) = %t, RootDecides %t", a.Code, root, a.HasRoot(root), RootDecides(root))
			}
		}
		for _, v := range a.Identifications {
			if code, d, ok := LookupIdentification(v); !ok || code != a.Code || d != a.Direction {
				t.Errorf("LookupIdentification(%s) = %s, %s, %t, want %s", v, code, d, ok, a.Code)
			}
			if owner[v] != "" {
				t.Errorf("%s is of %s and of %s", v, owner[v], a.Code)
			}
			owner[v] = a.Code
		}
	}
	if len(seen) != 38 {
		t.Errorf("the table has %d codes, want 38", len(seen))
	}
}

func TestApplicationsIsACopy(t *testing.T) {
	Applications()[0].Code = "XXXX"
	if Applications()[0].Code == "XXXX" {
		t.Error("a caller can change the table")
	}
}

func TestApplicationsForRoot(t *testing.T) {
	tests := []struct {
		root string
		want []string
	}{
		{"Dimona", []string{"DIMN"}},
		{"DmfAOriginal", []string{"DMFA"}},
		{"DmfAUpdate", []string{"DMWA"}},
		{"DmfAConsultationRequest", []string{"DMRQ"}},
		{"TWCT001", []string{"TWCT"}},
		{"VBLV001", []string{"VBLV"}},
		{"WECH001", []string{"WECH"}},
		{"WECH011", []string{"WECH"}},
		{"WECH012", nil},
		{"AOAT003", []string{"AOAT"}},
		{"AOAT004", nil},
		{"ZIMA006", []string{"ZIMA"}},
		{"ZIMA000", nil},
		{"AVWDDT", []string{"DUCN", "DDTN"}},
		{"PersonnelFileConsultationRequest", []string{"PFRQ"}},
		{"ACRF", []string{"ACRF"}},
		{"NOTIFICATION", []string{"NOTI"}},
		{"IDFLUX", []string{"IDFL"}},
		{"DmfAUpdateNotification", []string{"DMNO"}},
		{"DmfAPID", []string{"DMPI"}},
		{"DmfAConsultationAnswer", []string{"DMDB"}},
		{"dimona", nil},
		{"", nil},
	}
	for _, tt := range tests {
		var got []string
		for _, a := range ApplicationsForRoot(tt.root) {
			got = append(got, a.Code)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("ApplicationsForRoot(%q) = %v, want %v", tt.root, got, tt.want)
		}
	}
}

func codes(list []Application) string {
	var all []string
	for _, a := range list {
		all = append(all, a.Code)
	}
	return strings.Join(all, " ")
}

func TestApplicationsFor(t *testing.T) {
	const all = "ECRQ ECOR RECO ATDO FLEX ECAN ECOA REAN FISI"
	for _, tt := range []struct {
		name, root      string
		identifications []string
		want            string
	}{
		{"root alone decides", "Dimona", nil, "DIMN"},
		{"root decides against Identification", "Dimona", []string{"DMFA"}, "DIMN"},
		{"root of one of several", "FLXWAGE", []string{"FLXWAGE"}, "FLEX"},
		{"no Identification", generic, nil, all},
		{"ECRQ", generic, []string{"ECARORQ"}, "ECRQ"},
		{"ECOR", generic, []string{"ECOUDRQ"}, "ECOR"},
		{"RECO", generic, []string{"REDCORQ"}, "RECO"},
		{"ATDO", generic, []string{"ATDO001"}, "ATDO"},
		{"FLEX", generic, []string{"FLXWAGE"}, "FLEX"},
		{"a number that is not listed", generic, []string{"FLEX002"}, "FLEX"},
		{"an answer", generic, []string{"ECAROAN"}, "ECAN"},
		{"an application whose roots are not known", generic, []string{"CDHG001"}, "CDHG"},
		{"and a root that nobody knows", "CDHG001", []string{"CDHG001"}, "CDHG"},
		{"one known, one not", generic, []string{"NEWS001", "REDCORQ"}, "RECO"},
		{"forms disagree", generic, []string{"REDCORQ", "ECOUDRQ"}, "ECOR RECO"},
		{"none known", generic, []string{"NEWS001", "…"}, all},
		{"of an application with other roots", generic, []string{"DIMONA"}, all},
		{"an answer without an application", generic, []string{"PPLCAL"}, all},
		{"building site", "AVWDDT", []string{"UWDUC"}, "DUCN"},
		{"its modification", "AVWDDT", []string{"UWDUCUP"}, "DUCN"},
		{"works", "AVWDDT", []string{"AVWDDT"}, "DDTN"},
		{"their modification", "AVWDDT", []string{"AVDDTUP"}, "DDTN"},
		{"works or site", "AVWDDT", []string{"REDCORQ"}, "DUCN DDTN"},
		{"no known root", "Unknown", []string{"ECOUDRQ"}, ""},
		{"nothing", "", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := codes(ApplicationsFor(tt.root, tt.identifications)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestIdentifications(t *testing.T) {
	for v, want := range map[string]string{
		"WECH011": "WECH sent", "WECH012": "WECH sent", "DMFAPPL": "DMFA sent", "PPLUPD": "DMWA sent", "NOTI001": "NOTI received", "NOTI002": "NOTI received",
		"PFANS": "PFAN received", "PPLCAL": " received", "OSSA002": " received", "RORE001": "", "AADD501": "", "WECH0011": "", "WECH1": "", "DMFA1": "", "": "", "…": "",
	} {
		code, d, ok := LookupIdentification(v)
		if got := code + " " + string(d); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %t, want %q", v, got, ok, want)
		}
	}
	flex, _ := LookupApplication("FLEX")
	for _, tt := range []struct {
		identifications []string
		want            int
	}{
		{nil, -1},
		{[]string{"FLXWAGE", "FLEX001", "NEWS001", "…"}, -1},
		{[]string{"FLXWAGE", "REDCORQ", "ECOUDRQ"}, 1},
		{[]string{"OSSA001"}, 0},
	} {
		if got := flex.Foreign(tt.identifications); got != tt.want {
			t.Errorf("Foreign(%q) = %d, want %d", tt.identifications, got, tt.want)
		}
	}
	if publ, _ := LookupApplication("PUBL"); !publ.HasRoot("Anything") || flex.HasRoot("Anything") {
		t.Error("an application without known roots has any, another its own")
	}
}
