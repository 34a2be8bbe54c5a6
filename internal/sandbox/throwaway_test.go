package sandbox

import ("testing";"os";"path/filepath";"os/exec";"strings"
"github.com/socbatch/socbatch/naming")

func TestXMLLint(t *testing.T) {
	no := false
	_ = no
	an := []Anomaly{{ID:"00024-005",Class:"NP",Tag:"INSS",Value:"a<&>b",Label:"x",Line:3,Column:4,Location:"/a/b[1]"},{ID:"90017-001",Class:"B"}}
	s := start(t, func(c *Config){ c.Scenario = Scenario{Rules: []Rule{
		{Sequence:"00001",Notification:"accepted"},{Sequence:"00002",Notification:"remarks",Anomalies:an},{Sequence:"00003",Notification:"refused"},
		{Sequence:"00004",Notification:"validate",NoFileReference:true},{Sequence:"00005",Notification:"remarks",Forms:[]int{2}, NameFI:true},{Sequence:"00006",Refuse:[]string{"ACRF-172","ACRF-088"}},
	}}})
	c := connect(t, s)
	for _, q := range []string{"00001","00002","00003","00004","00005","00006","00000"} {
		send(t, c, set("DIMN", q, naming.Test, 1), nil, dimona(3))
	}
	mustPut(t, c, "INTEST/GO.a<b\x01é&.x", "")
	mustPut(t, c, "INTEST/hello", "")
	s.Flush(); s.Sweep(); s.Flush()
	n := map[string]int{}
	for _, name := range s.Pending(naming.Test) {
		if !strings.HasPrefix(name,"FO") { continue }
		xsd := "NOTIFICATION_20223.xsd"; k := "NOTI"
		if strings.Contains(name,"ACRF") { xsd = "ACRF_20231.xsd"; k="ACRF" }
		out, err := exec.Command("xmllint","--noout","--schema","/work/shared/official/xsd/"+xsd, filepath.Join(s.Dir(),"OUTTEST",name)).CombinedOutput()
		if err != nil { t.Errorf("%s", out) }
		n[k]++
	}
	t.Log(n)
	b,_ := os.ReadFile(filepath.Join(s.Dir(),"OUTTEST","FO.NOTI.999999.20261125.00002.T")); t.Logf("%s",b)
	b,_ = os.ReadFile(filepath.Join(s.Dir(),"OUTTEST","FO.ACRF.999999.20261125.00008.T")); t.Logf("%s",b)
}
