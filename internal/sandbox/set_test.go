package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/pkg/sftp"

	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

func TestErrorIDs(t *testing.T) {
	const fi, fs, goName = "FI.DIMN.101380.20261125.00001.T.1.1", "FS.DIMN.101380.20261125.00001.T.1.1", "GO.DIMN.101380.20261125.00001.T.1"
	type files map[string]string // name → content; every GO comes last
	good := dimona(1)
	// named puts a sound set with these two names into a folder.
	named := func(folder, fiTail, goTail string) (string, files) {
		return folder, files{"FI." + fiTail: good, "GO." + goTail: ""}
	}
	tests := []struct {
		name string
		make func() (folder string, f files)
		want string
	}{
		{"sound", func() (string, files) { return named("INTEST", fi[3:], goName[3:]) }, ""},
		{"old form", func() (string, files) {
			return "INTEST", files{"FI.WECH.101380.20261125.00001.T": strings.ReplaceAll(good, "Dimona", "WECH001"), "GO.WECH.101380.20261125.00001.T": ""}
		}, ""},
		{"GO with too many fields", func() (string, files) { return named("INTEST", fi[3:], goName[3:]+".1.1") }, "107"},
		{"GO with too few fields", func() (string, files) { return "INTEST", files{"GO.DIMN.101380": ""} }, "107 120"},
		{"other sender", func() (string, files) {
			return named("INTEST", "DIMN.000007.20261125.00001.T.1.1", "DIMN.000007.20261125.00001.T.1")
		}, "108"},
		{"date not 8 digits", func() (string, files) {
			return named("INTEST", "DIMN.101380.2026112.00001.T.1.1", "DIMN.101380.2026112.00001.T.1")
		}, "109"},
		{"no such date", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261131.00001.T.1.1", "DIMN.101380.20261131.00001.T.1")
		}, "110"},
		{"date of tomorrow", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261126.00001.T.1.1", "DIMN.101380.20261126.00001.T.1")
		}, "111"},
		{"date too old", func() (string, files) {
			return named("INTEST", "DIMN.101380.20250101.00001.T.1.1", "DIMN.101380.20250101.00001.T.1")
		}, "126"},
		{"sequence too short", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261125.0001.T.1.1", "DIMN.101380.20261125.0001.T.1")
		}, "112"},
		{"sequence with other characters", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261125.0000a.T.1.1", "DIMN.101380.20261125.0000a.T.1")
		}, "367"},
		{"sequence zero", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261125.00000.T.1.1", "DIMN.101380.20261125.00000.T.1")
		}, "127"},
		{"parts of two digits", func() (string, files) { return named("INTEST", fi[3:], "DIMN.101380.20261125.00001.T.01") }, "114"},
		{"parts no digit", func() (string, files) { return named("INTEST", fi[3:], "DIMN.101380.20261125.00001.T.A") }, "115"},
		{"parts zero", func() (string, files) { return named("INTEST", fi[3:], "DIMN.101380.20261125.00001.T.0") }, "116"},
		{"too many parts", func() (string, files) {
			f := files{"GO.DIMN.101380.20261125.00001.T.6": ""}
			for _, p := range "123456" {
				f["FI.DIMN.101380.20261125.00001.T.6."+string(p)] = good
			}
			return "INTEST", f
		}, "128"},
		{"no such environment", func() (string, files) {
			return named("INTEST", "DIMN.101380.20261125.00001.X.1.1", "DIMN.101380.20261125.00001.X.1")
		}, "117"},
		{"R in the wrong folder", func() (string, files) {
			tail := "DIMN.101380.20261125.00001.R.1"
			return "INTEST", files{"FI." + tail + ".1": good, "FS." + tail + ".1": signed(t, registered(), good), "GO." + tail: ""}
		}, "118"},
		{"T in the wrong folder", func() (string, files) { return named("IN", fi[3:], goName[3:]) }, "119"},
		{"S in the wrong folder", func() (string, files) {
			return "INTEST", files{"FI.DMFA.101380.20261125.00001.S.1.1": strings.ReplaceAll(good, "Dimona", "DmfAOriginal"), "GO.DMFA.101380.20261125.00001.S.1": ""}
		}, "257"},
		{"FI missing", func() (string, files) { return "INTEST", files{goName: ""} }, "120"},
		{"FI too many", func() (string, files) {
			return "INTEST", files{fi: good, "FI.DIMN.101380.20261125.00001.T.2.2": good, goName: ""}
		}, "120 123"},
		{"FS missing in R", func() (string, files) {
			return "IN", files{strings.Replace(fi, ".T.", ".R.", 1): good, strings.Replace(goName, ".T.", ".R.", 1): ""}
		}, "122"},
		{"FS for one part of two", func() (string, files) {
			return "INTEST", files{
				"FI.DIMN.101380.20261125.00001.T.2.1": good, "FI.DIMN.101380.20261125.00001.T.2.2": good,
				"FS.DIMN.101380.20261125.00001.T.2.1": signed(t, registered(), good), "GO.DIMN.101380.20261125.00001.T.2": "",
			}
		}, "122"},
		{"part number of FI", func() (string, files) {
			return "INTEST", files{"FI.DIMN.101380.20261125.00001.T.1.2": good, goName: ""}
		}, "123"},
		{"part number of FS", func() (string, files) {
			return "INTEST", files{fi: good, "FS.DIMN.101380.20261125.00001.T.1.2": signed(t, registered(), good), goName: ""}
		}, "124"},
		{"FI with too many fields", func() (string, files) { return named("INTEST", fi[3:]+".1", goName[3:]) }, "131"},
		{"FS with too many fields", func() (string, files) {
			return "INTEST", files{fi: good, fs + ".1": signed(t, registered(), good), goName: ""}
		}, "132"},
		{"signature over other bytes", func() (string, files) {
			return "INTEST", files{fi: good, fs: signed(t, registered(), good+" "), goName: ""}
		}, "125"},
		{"signature is no signature", func() (string, files) { return "INTEST", files{fi: good, fs: "nonsense", goName: ""} }, "125"},
		{"another certificate", func() (string, files) {
			return "INTEST", files{fi: good, fs: signed(t, newIdentity(), good), goName: ""}
		}, "153"},
		{"sound and signed in T", func() (string, files) {
			return "INTEST", files{fi: good, fs: signed(t, registered(), good), goName: ""}
		}, ""},
		{"unknown application", func() (string, files) {
			return named("INTEST", "ABCD.101380.20261125.00001.T.1.1", "ABCD.101380.20261125.00001.T.1")
		}, "129"},
		{"not XML", func() (string, files) {
			return "INTEST", files{fi: strings.TrimSuffix(good, "</Dimona>\r\n"), goName: ""}
		}, "102"},
		{"nested too deeply", func() (string, files) {
			deep := strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000)
			return "INTEST", files{fi: strings.Replace(good, "</TypeForm>", "</TypeForm>"+deep, 1), goName: ""}
		}, "102"},
		{"empty", func() (string, files) { return "INTEST", files{fi: "", goName: ""} }, "134"},
		{"no schema named", func() (string, files) {
			return "INTEST", files{fi: strings.Replace(good, ` xsi:noNamespaceSchemaLocation="Dimona_20231.xsd"`, "", 1), goName: ""}
		}, "136"},
		{"encoding", func() (string, files) {
			return "INTEST", files{fi: strings.Replace(good, "UTF-8", "EBCDIC-9", 1), goName: ""}
		}, "138"},
		{"no Form", func() (string, files) { return "INTEST", files{fi: dimona(0), goName: ""} }, "157"},
		{"a block that is no Form", func() (string, files) {
			return "INTEST", files{fi: strings.Replace(good, "</Dimona>", "<Other/></Dimona>", 1), goName: ""}
		}, "205"},
		{"another root", func() (string, files) {
			return "INTEST", files{fi: strings.ReplaceAll(good, "Dimona", "DmfAOriginal"), goName: ""}
		}, "158"},
		{"all at once, ascending", func() (string, files) {
			return "IN", files{"FI.DIMN.000007.20261126.00000.T.1.1": "", "GO.DIMN.000007.20261126.00000.T.1": ""}
		}, "108 111 119 127 134"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, func(c *Config) { c.MaxAge, c.MaxParts = 365, 5 })
			c := connect(t, s)
			folder, f := tt.make()
			last := ""
			for name, content := range f {
				if kindOf(name) == naming.GO {
					last = name
					continue
				}
				mustPut(t, c, folder+"/"+name, content)
			}
			mustPut(t, c, folder+"/"+last, "")
			s.Flush()

			var want []string
			for id := range strings.FieldsSeq(tt.want) {
				want = append(want, "ACRF-"+id)
			}
			sets := s.Processed()
			if len(sets) != 1 || !slices.Equal(sets[0].Errors, want) {
				t.Fatalf("processed %+v, want errors %q", sets, want)
			}
			env := environmentOf(folder)
			acrf := forms(t, get(t, c, env.Outbox()+"/FO.ACRF.999999."+today+".00001."+string(env)))
			if !slices.Equal(acrf[0].ErrorIDs, want) || (acrf[0].Outcome == reply.Accepted) != (want == nil) || acrf[0].File.Name != last {
				t.Errorf("receipt %+v", acrf[0])
			}
			notified := slices.ContainsFunc(s.Pending(env), func(n string) bool { return strings.Contains(n, "NOTI") })
			if notified != (want == nil) {
				t.Errorf("replies %q", s.Pending(env))
			}
			if _, err := c.Stat(folder + "/" + last); err == nil {
				t.Error("the GO is still there")
			}
		})
	}
}

func TestUsedName(t *testing.T) {
	s := start(t, nil)
	c := connect(t, s)
	accepted, refused := set("DIMN", "00001", naming.Test, 1), set("DIMN", "00002", naming.Test, 1)
	for range 2 {
		send(t, c, accepted, nil, dimona(1))
		send(t, c, refused, nil, "")
		s.Flush()
	}
	mustPut(t, c, "INTEST/"+accepted.GO().String(), "") // GO once more, alone
	s.Flush()
	var got []string
	for _, p := range s.Processed() {
		got = append(got, strings.Join(p.Errors, " "))
	}
	want := []string{"", "ACRF-134", "ACRF-133", "ACRF-133 ACRF-134", "ACRF-120 ACRF-133"}
	if !slices.Equal(got, want) {
		t.Errorf("errors %q, want %q", got, want)
	}
}

func TestWithoutRegisteredCertificate(t *testing.T) {
	s := start(t, func(c *Config) { c.Certificate = nil })
	c := connect(t, s)
	send(t, c, set("DIMN", "00001", naming.Production, 1), registered(), dimona(1))
	send(t, c, set("DIMN", "00001", naming.Test, 1), registered(), dimona(1))
	s.Flush()
	got := s.Processed()
	if !slices.Equal(got[0].Errors, []string{"ACRF-153"}) || got[1].Outcome != Accepted {
		t.Errorf("processed %+v", got)
	}
}

func TestSweep(t *testing.T) {
	s := start(t, nil)
	c := connect(t, s)
	lonely := set("DIMN", "00001", naming.Test, 1)
	mustPut(t, c, "INTEST/hello.txt", "x")
	mustPut(t, c, "INTEST/FS.short", "x")
	mustPut(t, c, "INTEST/"+lonely.FI(1).String(), dimona(1))
	send(t, c, set("DIMN", "00002", naming.Test, 1), nil, dimona(1))
	s.Process()
	// A GO only reports what is astray; sweeping refuses it.
	if n := kinds(s.Journal()); n[Stray] != 2 || n[SetProcessed] != 1 {
		t.Fatalf("events %v", n)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	got := map[string]string{}
	for _, p := range s.Processed() {
		got[p.GO] = strings.Join(p.Errors, " ")
	}
	want := map[string]string{
		"hello.txt": "ACRF-131", "FS.short": "ACRF-132", lonely.FI(1).String(): "ACRF-130", "GO.DIMN.101380.20261125.00002.T.1": "",
	}
	for name, ids := range want {
		if e, ok := got[name]; !ok || e != ids {
			t.Errorf("%s: errors %q (%t), want %q", name, e, ok, ids)
		}
	}
	if n := kinds(s.Journal())[Stray]; n != 2 {
		t.Errorf("strays were reported %d times", n)
	}
}

func TestCancel(t *testing.T) {
	upload := func(t *testing.T, c *sftp.Client, s naming.Set, withGO bool) {
		mustPut(t, c, "INTEST/"+s.FI(1).String(), dimona(1))
		if withGO {
			mustPut(t, c, "INTEST/"+s.GO().String(), "")
		}
	}
	s1 := set("DIMN", "00001", naming.Test, 1)
	td := "INTEST/" + s1.TD().String()
	manual := Scenario{Rules: []Rule{{Process: "manual"}}}
	t.Run("before GO", func(t *testing.T) {
		s := start(t, nil)
		c := connect(t, s)
		upload(t, c, s1, false)
		mustPut(t, c, td, "")
		e := s.Journal()[len(s.Journal())-1]
		if e.Kind != Cancelled || e.Set != s1.String() || len(e.Files) != 1 || e.Files[0].Name != s1.FI(1).String() {
			t.Fatalf("event %+v", e)
		}
		if left, _ := c.ReadDir("INTEST"); len(left) != 0 {
			t.Errorf("files left: %v", left)
		}
		send(t, c, s1, nil, dimona(1))
		s.Flush()
		if p := s.Processed(); len(p) != 1 || !slices.Equal(p[0].Errors, []string{"ACRF-133"}) {
			t.Errorf("a cancelled name was taken again: %+v", p)
		}
	})
	t.Run("soon after GO", func(t *testing.T) {
		s := start(t, func(c *Config) { c.Scenario = manual })
		c := connect(t, s)
		upload(t, c, s1, true)
		mustPut(t, c, td, "")
		s.Flush()
		if n := kinds(s.Journal()); n[Cancelled] != 1 || n[SetProcessed] != 0 {
			t.Errorf("events %v", n)
		}
	})
	t.Run("too late", func(t *testing.T) {
		s := start(t, nil)
		c := connect(t, s)
		upload(t, c, s1, true)
		s.Flush()
		mustPut(t, c, td, "")
		if n := kinds(s.Journal()); n[CancelLate] != 1 || n[SetProcessed] != 1 {
			t.Errorf("events %v", n)
		}
		if left, _ := c.ReadDir("INTEST"); len(left) != 0 {
			t.Errorf("files left: %v", left)
		}
	})
}
