package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// forms reads a reply with the project's own reader.
func forms(t *testing.T, text string) []reply.Form {
	t.Helper()
	var found []reply.Form
	_, err := reply.Read(strings.NewReader(text), func(f *reply.Form) error {
		found = append(found, *f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSetIsReceivedAndAnswered(t *testing.T) {
	s := start(t, nil)
	c := connect(t, s)
	s1 := set("DIMN", "00001", naming.Production, 2)
	send(t, c, s1, registered(), dimona(2), dimona(1))
	s.Flush()

	want := []string{
		"FO.ACRF.999999.20261125.00001.R", "FO.NOTI.999999.20261125.00001.R", "FO.NOTI.999999.20261125.00002.R",
		"FS.ACRF.999999.20261125.00001.R", "FS.NOTI.999999.20261125.00001.R", "FS.NOTI.999999.20261125.00002.R",
		"GO.ACRF.999999.20261125.00001.R", "GO.NOTI.999999.20261125.00001.R", "GO.NOTI.999999.20261125.00002.R",
	}
	if got := s.Pending(naming.Production); !slices.Equal(got, want) {
		t.Fatalf("replies %q, want %q", got, want)
	}
	for _, name := range want[:3] {
		fo := get(t, c, "OUT/"+name)
		fs := get(t, c, "OUT/"+strings.Replace(name, "FO", "FS", 1))
		if _, err := sign.Verify(strings.NewReader(fo), []byte(fs), sign.VerifyOptions{Roots: s.ReplyRoots(), Now: noon()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := s.Processed()[0]
	acrf := forms(t, get(t, c, "OUT/"+want[0]))
	if len(acrf) != 1 || acrf[0].Outcome != reply.Accepted || acrf[0].File.Name != s1.GO().String() || acrf[0].File.Number != set.Ticket || len(set.Ticket) != 13 {
		t.Errorf("receipt %+v for ticket %q", acrf, set.Ticket)
	}
	noti := forms(t, get(t, c, "OUT/"+want[1]))
	if len(noti) != 2 || noti[1].Outcome != reply.Accepted || noti[1].References[0].Number != "own-2" ||
		noti[1].Handled.CreationHour != "09:30:00.002" || noti[1].File.Number != set.Ticket || noti[1].SenderID != account {
		t.Errorf("notification %+v", noti)
	}
	entries, err := os.ReadDir(filepath.Join(s.Dir(), "IN"))
	if err != nil || len(entries) != 0 {
		t.Errorf("IN has %d files, %v", len(entries), err)
	}
	kept, err := os.ReadFile(filepath.Join(set.Dir, s1.FI(1).String()))
	if err != nil || string(kept) != dimona(2) {
		t.Errorf("kept file: %v", err)
	}
}
