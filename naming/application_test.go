package naming

import (
	"slices"
	"testing"
)

func TestApplicationTable(t *testing.T) {
	seen := map[string]bool{}
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

func TestNearestApplication(t *testing.T) {
	for code, want := range map[string]string{
		"DMFA": "DMFA", "dmfa": "DMFA", "DFMA": "DMFA", "DMF": "DMFA", "DMFAA": "DMFA",
		"DIMO": "DIMN", "DIMONA": "DIMN", "NOTIF": "NOTI", "WESH": "WECH", "PUBLI": "PUBL",
	} {
		if got, ok := NearestApplication(code); !ok || got.Code != want {
			t.Errorf("NearestApplication(%q) = %q, %t, want %s", code, got.Code, ok, want)
		}
	}
	for _, code := range []string{"", "A", "QQQQ", "DMFADMFADMFADMFA", "\xff\xff\xff\xff"} {
		if got, ok := NearestApplication(code); ok {
			t.Errorf("NearestApplication(%q) = %q, want none", code, got.Code)
		}
	}
}
