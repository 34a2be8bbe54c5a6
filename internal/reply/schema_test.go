package reply

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// form reads a notification of one form with that content.
func form(t *testing.T, content string) *Form {
	t.Helper()
	forms, _, err := ReadAll(strings.NewReader("<NOTIFICATION><Form>" + content + "</Form></NOTIFICATION>"))
	if err != nil || len(forms) != 1 {
		t.Fatalf("%d forms, %v", len(forms), err)
	}
	return forms[0]
}

// want compares what is read, with the values that do not print.
func want(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// Only the code of the result decides, and whether anything is reported with
// it: no class of anomaly, and no other result that stands in the form.
func TestOutcomeOfNotification(t *testing.T) {
	anomaly := func(class string) string {
		if class != "" {
			class = "<AnomalyClass>" + class + "</AnomalyClass>"
		}
		return "<AnomalyReport><ErrorID>00024-003</ErrorID>" + class + "</AnomalyReport>"
	}
	const (
		capelo = "<ImpactReport><CapeloImpactReport><ResultCode>0</ResultCode></CapeloImpactReport></ImpactReport>"
		cbss   = "<CBSSInformation><HandledCBSSInformation><ResultCode>0</ResultCode><DetailReturnCode><AnomalyClass>B</AnomalyClass></DetailReturnCode></HandledCBSSInformation></CBSSInformation>"
	)
	for _, c := range []struct {
		before, code, after string
		want                Outcome
	}{
		{"", "0", "", Refused},
		{"", "0", anomaly("B"), Refused},
		{"", "0", anomaly("W"), Refused},
		{"", "1", "", Accepted},
		{"", "1", "<Diagnosis>3</Diagnosis>", Accepted},
		{"", "1", anomaly(""), AcceptedWithRemarks},
		{"", "1", anomaly("W"), AcceptedWithRemarks},
		{"", "1", anomaly("NP"), AcceptedWithRemarks},
		{"", "1", anomaly("P"), AcceptedWithRemarks},
		{"", "1", anomaly("B"), AcceptedWithRemarks},
		{"", "1", anomaly("NP") + anomaly("B"), AcceptedWithRemarks},
		{"", "1", capelo, Accepted},
		{cbss, "1", "", Accepted},
		{"", "2", "", ToValidate},
		{"", "2", anomaly("NP"), ToValidate},
		{cbss, "2", capelo, ToValidate},
		{"", "3", "", UnknownOutcome},
		{"", "", anomaly("B"), UnknownOutcome},
		{"", "x", "", UnknownOutcome},
		{"", "-1", "", UnknownOutcome},
		// Other ways to write the same integer.
		{"", "01", "", Accepted},
		{"", "+1", anomaly("B"), AcceptedWithRemarks},
		{"", "\n\t 02 ", "", ToValidate},
		{"", "00", "", Refused},
		{"", "0<!-- -->0", "", Refused},
	} {
		f := form(t, c.before+"<HandlingResult><ResultCode>"+c.code+"</ResultCode>"+c.after+"</HandlingResult>")
		if f.Outcome != c.want {
			t.Errorf("%s%q%s: %s, want %s", c.before, c.code, c.after, f.Outcome, c.want)
		}
	}
}

func TestOutcomeOfReceipt(t *testing.T) {
	for _, c := range []struct {
		result string
		want   Outcome
		ids    []string
	}{
		{"<ResultCode>1</ResultCode>", Accepted, nil},
		{"<ResultCode>1</ResultCode><ErrorID>ACRF-088</ErrorID>", AcceptedWithRemarks, []string{"ACRF-088"}},
		{"<ResultCode>0</ResultCode>", Refused, nil},
		{"<ResultCode>0</ResultCode><ErrorID>ACRF-088</ErrorID><ErrorID>ACRF-088</ErrorID><ErrorID>ACRF-172</ErrorID>", Refused, []string{"ACRF-088", "ACRF-088", "ACRF-172"}},
		{"<ResultCode>2</ResultCode>", UnknownOutcome, nil}, // there is none in receipts
		{"", UnknownOutcome, nil},
	} {
		forms, _, err := ReadAll(strings.NewReader("<ACRF><Form><ReceptionResult>" + c.result + "</ReceptionResult></Form></ACRF>"))
		if err != nil || forms[0].Outcome != c.want || !reflect.DeepEqual(forms[0].ErrorIDs, c.ids) {
			t.Errorf("%s: %+v, %v", c.result, forms[0], err)
		}
	}
}

// A file has one total, and an outcome for each form.
func TestTotals(t *testing.T) {
	code := func(codes ...string) string {
		var b strings.Builder
		for _, c := range codes {
			b.WriteString("<Form><HandlingResult><ResultCode>" + c + "</ResultCode>")
			if c == "+1" {
				b.WriteString("<AnomalyReport><ErrorID>00024-003</ErrorID></AnomalyReport>")
			}
			b.WriteString("</HandlingResult></Form>")
		}
		return "<NOTIFICATION>" + b.String() + "</NOTIFICATION>"
	}
	for _, c := range []struct {
		doc    string
		each   []Outcome
		totals Totals
		total  Outcome
	}{
		{code("1", "1"), []Outcome{Accepted, Accepted}, Totals{Accepted: 2}, Accepted},
		{code("1", "+1", "1"), []Outcome{Accepted, AcceptedWithRemarks, Accepted}, Totals{Accepted: 2, AcceptedWithRemarks: 1}, AcceptedWithRemarks},
		{code("2", "+1"), []Outcome{ToValidate, AcceptedWithRemarks}, Totals{AcceptedWithRemarks: 1, ToValidate: 1}, ToValidate},
		{code("0", "1", "2"), []Outcome{Refused, Accepted, ToValidate}, Totals{Accepted: 1, Refused: 1, ToValidate: 1}, Refused},
		{code("1", "0"), []Outcome{Accepted, Refused}, Totals{Accepted: 1, Refused: 1}, Refused},
		{code("0", "0"), []Outcome{Refused, Refused}, Totals{Refused: 2}, Refused},
		{code("1", "9"), []Outcome{Accepted, UnknownOutcome}, Totals{Accepted: 1, Unknown: 1}, UnknownOutcome},
		{code(), nil, Totals{}, NoOutcome},
	} {
		forms, sum, err := ReadAll(strings.NewReader(c.doc))
		var each []Outcome
		for _, f := range forms {
			each = append(each, f.Outcome)
		}
		if err != nil || !reflect.DeepEqual(each, c.each) || sum.Totals != c.totals || sum.Outcome != c.total {
			t.Errorf("%s: %v, %+v, %v", c.doc, each, sum, err)
		}
	}
}

// What stands elsewhere under a name that also says something of the form is
// not taken for it.
func TestNamesElsewhere(t *testing.T) {
	f := form(t, `<Identification>NOTI001</Identification><FormCreationDate>2026-03-02</FormCreationDate>
<HandledOriginalFile><SenderId>000042</SenderId><HandledSenderIdentification><CompanyID>0200000009</CompanyID><INSS>11111111111</INSS></HandledSenderIdentification></HandledOriginalFile>
<HandledOriginalForm><Identification>WECH001</Identification><FormCreationDate>2026-03-01</FormCreationDate></HandledOriginalForm>
<WorkerRecordIdentification><Quarter>20254</Quarter><NOSSRegistrationNbr>100000009</NOSSRegistrationNbr><CompanyID>0200000009</CompanyID><OccupationReference><InternalOccupationNbr>X</InternalOccupationNbr></OccupationReference></WorkerRecordIdentification>
<HandlingResult><ResultCode>1</ResultCode></HandlingResult>
<ApplicationData><any xmlns="urn:other"><HandlingResult><ResultCode>0</ResultCode></HandlingResult></any><Reference><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>900000A1B2C3D</ReferenceNbr></Reference></ApplicationData>`)
	want(t, f, &Form{
		Kind: Notification, Index: 1, Line: 1, FormHead: FormHead{Identification: "NOTI001", CreationDate: "2026-03-02"},
		SenderID: "000042", Handled: &FormHead{Identification: "WECH001", CreationDate: "2026-03-01"}, ResultCode: "1", Outcome: Accepted,
	})
}

func TestReferences(t *testing.T) {
	ref := func(element, kind, origin, number string) string {
		if number != "" {
			number = "<ReferenceNbr>" + number + "</ReferenceNbr>"
		}
		return "<" + element + "><ReferenceType>" + kind + "</ReferenceType><ReferenceOrigin>" + origin + "</ReferenceOrigin>" + number + "</" + element + ">"
	}
	for _, c := range []struct {
		name, content string
		tickets, own  []string
	}{
		{"none", "", nil, nil},
		{"four", ref("Reference", "1", "1", "own-1") + ref("Reference", "2", "1", "own-2") + ref("Reference", "1", "2", "900000000000A") + ref("Reference", "1", "7", "other"), []string{"900000000000A"}, []string{"own-1", "own-2"}},
		{"without a number", ref("Reference", "1", "1", "") + ref("HandledReference", "1", "2", ""), nil, nil},
		{"the same twice", ref("Reference", "1", "1", "own-1") + ref("Reference", "3", "1", "own-1"), nil, []string{"own-1"}},
		{"origin with zeros", ref("Reference", "1", "02", "900000000000A") + ref("Reference", "1", "+1", "own-1"), []string{"900000000000A"}, []string{"own-1"}},
		{"file first, then the form's", "<FileReference><FileName>GO</FileName><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>900000000000F</ReferenceNbr></FileReference>" + ref("Reference", "1", "2", "900000000000A") + ref("HandledReference", "1", "2", "900000000000H"), []string{"900000000000F", "900000000000H", "900000000000A"}, nil},
		{"file, origin with zeros", "<FileReference><FileName>GO</FileName><ReferenceOrigin>02</ReferenceOrigin><ReferenceNbr>900000000000F</ReferenceNbr></FileReference>", []string{"900000000000F"}, nil},
		{"file of another origin", "<FileReference><FileName>GO</FileName><ReferenceOrigin>3</ReferenceOrigin><ReferenceNbr>X</ReferenceNbr></FileReference>", nil, nil},
	} {
		f := form(t, c.content)
		if !reflect.DeepEqual(f.Tickets(), c.tickets) || !reflect.DeepEqual(f.OwnReferences(), c.own) {
			t.Errorf("%s: tickets %q, own %q", c.name, f.Tickets(), f.OwnReferences())
		}
	}
}

func TestEmployers(t *testing.T) {
	for _, c := range []struct {
		element string
		want    EmployerID
	}{
		{"NOSSRegistrationNbr", EmployerID{NOSS: "1", CompanyID: "2"}},
		{"NOSSLPARegistrationNbr", EmployerID{NOSSLPA: "1", CompanyID: "2"}},
		{"ProvisionalNSSONbr", EmployerID{Provisional: "1", CompanyID: "2"}},
	} {
		employer := "<" + c.element + ">1</" + c.element + "><CompanyID>2</CompanyID>"
		for _, doc := range []string{
			"<NOTIFICATION><Form><EmployerId>" + employer + "</EmployerId></Form></NOTIFICATION>",
			"<IDFLUX><Form><IdfluxInformation><JustificationCode>90</JustificationCode><EmployerId>" + employer + "</EmployerId><ValidSituation><NOSSRegistrationNbr>9</NOSSRegistrationNbr></ValidSituation></IdfluxInformation></Form></IDFLUX>",
			"<DmfAUpdateNotification><Form><EmployerDeclarationUpdateNotif>" + employer + "</EmployerDeclarationUpdateNotif></Form></DmfAUpdateNotification>",
		} {
			forms, _, err := ReadAll(strings.NewReader(doc))
			if err != nil || forms[0].Employer == nil || *forms[0].Employer != c.want {
				t.Errorf("%s: %+v, %v", doc, forms, err)
			}
		}
	}
}

// The anomalies of an update notification stand deep in it. They answer
// nothing that was sent.
func TestUpdateNotification(t *testing.T) {
	const report = "<AnomalyReport><ErrorID>%</ErrorID><TagName>INSS</TagName><Value>11111111111</Value><AnomalyClass>NP</AnomalyClass><Path><Quarter>20261</Quarter><WorkerCode>015</WorkerCode></Path></AnomalyReport>"
	forms, sum, err := ReadAll(strings.NewReader(`<DmfAUpdateNotification><Form><Identification>DMFANOT</Identification><FormCreationDate>2026-03-02</FormCreationDate>
<Reference><ReferenceType>1</ReferenceType><ReferenceOrigin>2</ReferenceOrigin><ReferenceNbr>900000DMN0001</ReferenceNbr></Reference>
<Reference><ReferenceType>3</ReferenceType><ReferenceOrigin>1</ReferenceOrigin><ReferenceNbr>own</ReferenceNbr></Reference>
<EmployerDeclarationUpdateNotif><Quarter>20261</Quarter><Trusteeship>0</Trusteeship><CompanyID>0200000002</CompanyID><SubGroupInformation><SubGroup>1</SubGroup></SubGroupInformation>
<NaturalPersonUpdateNotif><INSS>11111111111</INSS><WorkerRecordUpdateNotif><WRDclPart><Action>1</Action></WRDclPart></WorkerRecordUpdateNotif>` +
		strings.Replace(report, "%", "00024-003", 1) + strings.Replace(report, "%", "00024-004", 1) + `</NaturalPersonUpdateNotif>
<CUNPUpdateNotif><CUNPDclPart/>` + strings.Replace(report, "%", "00082-005", 1) + `</CUNPUpdateNotif></EmployerDeclarationUpdateNotif>
<RectificationAmount><DebitAmount>1</DebitAmount></RectificationAmount></Form></DmfAUpdateNotification>`))
	if err != nil || sum.Outcome != NoOutcome || sum.Totals.None != 1 || sum.First.CreationDate != "2026-03-02" {
		t.Fatalf("%+v, %v", sum, err)
	}
	f := forms[0]
	if f.Quarter != "20261" || f.AnomalyCount != 3 || !reflect.DeepEqual(f.Tickets(), []string{"900000DMN0001"}) || !reflect.DeepEqual(f.OwnReferences(), []string{"own"}) {
		t.Errorf("%+v", f)
	}
	want(t, f.Anomalies[2], Anomaly{ErrorID: "00082-005", TagName: "INSS", Value: pv("11111111111"), Class: "NP", Path: []Step{{"Quarter", pv("20261")}, {"WorkerCode", pv("015")}}})
}

// Every element that may stand in an anomaly, and those that need not.
func TestAnomalyReports(t *testing.T) {
	f := form(t, `<HandlingResult><ResultCode>0</ResultCode>
<AnomalyReport><ErrorID>00024-003</ErrorID></AnomalyReport>
<AnomalyReport><ErrorID>90017-100</ErrorID><AnomalyClass>P</AnomalyClass><AnomalyLocation/><Path/><AnomalyComplInformation/></AnomalyReport>
<AnomalyReport><ErrorID>00108-001</ErrorID><TagName/><Value> </Value><AnomalyLocation><ColumnNbr>9</ColumnNbr></AnomalyLocation></AnomalyReport>
<AnomalyReport><ErrorID>90313-001</ErrorID>
<SystemCorrection><CorrectionType>UC</CorrectionType>
<BlockAction><Action>2</Action><BlockName>Service</BlockName><NOSSLPARegistrationNbr>1</NOSSLPARegistrationNbr><Trusteeship>0</Trusteeship></BlockAction>
<BlockAction><Action>9</Action><BlockName>Remun</BlockName><DataValue><FieldName>RemunAmount</FieldName><NewValue>12</NewValue></DataValue><DataValue><FieldName>RemunCode</FieldName><NewValue>1</NewValue></DataValue></BlockAction></SystemCorrection></AnomalyReport>
<AnomalyReport><ErrorID>90314-001</ErrorID><AnomalyComplInformation><DmfADimonaConfrontation><StudentHoursNbr>475</StudentHoursNbr></DmfADimonaConfrontation>
<DimonaPeriod><DimonaPeriodId>1</DimonaPeriodId><IsLocked>1</IsLocked><IsCancelled>0</IsCancelled><IsLate>true</IsLate><StartingDate>2026-01-01</StartingDate><EndingDate>2026-01-31</EndingDate><ServiceType>2</ServiceType><PlannedDaysNbr>20</PlannedDaysNbr><LastUpdateDate>2026-01-02</LastUpdateDate><LastUpdateHour>10:00:00.000</LastUpdateHour><ErrorID>90017-100</ErrorID><ErrorID>90017-101</ErrorID>
<DimonaFeatures><JointCommissionNbr>124</JointCommissionNbr><WorkerType>BCW</WorkerType><SubEntityNbr>7</SubEntityNbr><UsingEmployer><JointCommissionNbr>999</JointCommissionNbr><UsingEmployerName>X</UsingEmployerName><UsingEmployerCompanyID>0200000003</UsingEmployerCompanyID></UsingEmployer></DimonaFeatures>
<ConstructionControlCards><FirstMonthC32ANbr>11</FirstMonthC32ANbr><NextMonthC32ANbr>12</NextMonthC32ANbr></ConstructionControlCards></DimonaPeriod>
<DimonaPeriod><DimonaPeriodId>2</DimonaPeriodId></DimonaPeriod>
<QuotaFeatures><QuotaType>ARTICLE17</QuotaType><ExceedingDaysNbr>3</ExceedingDaysNbr></QuotaFeatures><QuotaFeatures><QuotaType>STUDENT</QuotaType><ExceedingHoursNbr>4</ExceedingHoursNbr></QuotaFeatures>
<DailyRegistration><DailyRegistrationId>5</DailyRegistrationId><DimonaPeriodId>6</DimonaPeriodId><StartingDate>2026-01-03</StartingDate><EndingHour>1700</EndingHour><IsCancelled>1</IsCancelled><LastUpdateDate>2026-01-04</LastUpdateDate><LastUpdateHour>11:00:00.000</LastUpdateHour></DailyRegistration></AnomalyComplInformation></AnomalyReport>
</HandlingResult>`)
	want(t, f.Anomalies, []Anomaly{
		{ErrorID: "00024-003"},
		{ErrorID: "90017-100", Class: "P"},
		{ErrorID: "00108-001", ColumnNbr: "9"},
		{ErrorID: "90313-001", Correction: &Correction{Type: "UC", Blocks: []BlockAction{
			{Action: "2", Block: "Service", Path: []Step{{"NOSSLPARegistrationNbr", pv("1")}, {"Trusteeship", pv("0")}}},
			{Action: "9", Block: "Remun", Fields: []Field{{"RemunAmount", pv("12")}, {"RemunCode", pv("1")}}},
		}}},
		{
			ErrorID: "90314-001", Declared: &DeclaredWork{StudentHours: "475"},
			Periods: []DimonaPeriod{{
				ID: "1", Locked: "1", Cancelled: "0", Late: "true", Period: Period{StartDate: "2026-01-01", EndDate: "2026-01-31", ServiceType: "2", PlannedDays: "20"},
				UpdateDate: "2026-01-02", UpdateHour: "10:00:00.000", ErrorIDs: []string{"90017-100", "90017-101"},
				Features: Features{"124", "BCW", "7", "0200000003"}, ControlCards: ControlCards{"11", "12"},
			}, {ID: "2"}},
			Quotas: []Quota{{Type: "ARTICLE17", ExceedingDays: "3"}, {Type: "STUDENT", ExceedingHours: "4"}},
			Daily:  &DailyPeriod{RegistrationID: "5", PeriodID: "6", Period: Period{StartDate: "2026-01-03", EndHour: "1700"}, Cancelled: "1", UpdateDate: "2026-01-04", UpdateHour: "11:00:00.000"},
		},
	})
	for element, declared := range map[string]DeclaredWork{
		"StudentNbrDays": {StudentDays: "1"}, "PlannedDaysNbr": {PlannedDays: "1"}, "StudentHoursNbr": {StudentHours: "1"}, "InQuotaPlannedHoursNbr": {QuotaHours: "1"},
	} {
		f := form(t, "<HandlingResult><AnomalyReport><AnomalyComplInformation><DmfADimonaConfrontation><"+element+">1</"+element+"></DmfADimonaConfrontation></AnomalyComplInformation></AnomalyReport></HandlingResult>")
		want(t, f.Anomalies[0].Declared, &declared)
	}
}

func TestImpacts(t *testing.T) {
	f := form(t, `<ConcernedQuarter><Quarter>20261</Quarter></ConcernedQuarter>
<HandlingResult><ResultCode>1</ResultCode><Diagnosis>3</Diagnosis><Diagnosis>4</Diagnosis><ImpactReport>
<DimonaImpactReport><DimonaPeriodId>900000000004</DimonaPeriodId><IsLocked>1</IsLocked>
<DimonaFeatures><WorkerType>STU</WorkerType></DimonaFeatures><ConstructionControlCards><FirstMonthC32ANbr>11</FirstMonthC32ANbr></ConstructionControlCards>
<StudentPlaceOfWork><Denomination>X</Denomination></StudentPlaceOfWork><SmallStatutesInformation><WorkerStatus>F2</WorkerStatus></SmallStatutesInformation>
<DimonaPeriodAfter><StartingDate>2026-03-02</StartingDate><ServiceType>1</ServiceType><PlannedDaysNbr>3</PlannedDaysNbr></DimonaPeriodAfter></DimonaImpactReport>
<AVWDDTImpactReport><BlockName>Site</BlockName><AVWDDTId>900000000000A</AVWDDTId><WorksContractId>9</WorksContractId><CompanyID>0200000002</CompanyID><Address><City>X</City></Address></AVWDDTImpactReport>
<AVWDDTImpactReport><BlockName>Contractor</BlockName><VATNbr>BE1</VATNbr></AVWDDTImpactReport>
<AVWDDTImpactReport><BlockName>Contractor</BlockName><ForeignCompanyID>F1</ForeignCompanyID></AVWDDTImpactReport>
<DailyRegistrationDclImpactReport><DailyRegistrationId>900000000003</DailyRegistrationId><AttestationStatus>1</AttestationStatus><DimonaPeriodId>900000000004</DimonaPeriodId>
<DailyRegistrationBefore><StartingDate>2026-03-01</StartingDate></DailyRegistrationBefore>
<DailyRegistrationAfter><StartingDate>2026-03-02</StartingDate><EndingHour>1700</EndingHour></DailyRegistrationAfter></DailyRegistrationDclImpactReport>
<CapeloImpactReport><ResultCode>0</ResultCode><Diagnosis>5</Diagnosis></CapeloImpactReport>
</ImpactReport></HandlingResult>`)
	if f.Outcome != Accepted || f.Quarter != "20261" || f.AttestationStatus != "" {
		t.Errorf("got %+v", f)
	}
	want(t, f.Diagnoses, []string{"3", "4"})
	want(t, f.Dimona, &DimonaImpact{
		PeriodID: "900000000004", Locked: "1", Features: Features{WorkerType: "STU"}, ControlCards: ControlCards{FirstMonth: "11"},
		After: &Period{StartDate: "2026-03-02", ServiceType: "1", PlannedDays: "3"},
	})
	want(t, f.Works, []WorksImpact{
		{Block: "Site", WorksID: "900000000000A", ContractID: "9", CompanyID: "0200000002"}, {Block: "Contractor", VAT: "BE1"}, {Block: "Contractor", ForeignCompanyID: "F1"},
	})
	want(t, f.Daily, &DailyImpact{"900000000003", "1", "900000000004", &Period{StartDate: "2026-03-01"}, &Period{StartDate: "2026-03-02", EndHour: "1700"}})
	want(t, f.Capelo, &CapeloImpact{"0", "5"})
	if f := form(t, "<HandlingResult><ResultCode>1</ResultCode><ImpactReport><DimonaImpactReport><DimonaPeriodId>1</DimonaPeriodId><DimonaPeriodBefore/></DimonaImpactReport></ImpactReport></HandlingResult>"); f.Dimona.After != nil || f.Dimona.Before == nil {
		t.Errorf("a cancelled period: %+v", f.Dimona)
	}
}

func TestCrossroadsBank(t *testing.T) {
	f := form(t, `<CBSSInformation><KindOfTreatment>M</KindOfTreatment><InvolvedPartner><PartnerRole>0</PartnerRole></InvolvedPartner>
<HandledCBSSInformation><ResultCode>2</ResultCode>
<DetailReturnCode><AnomalyClass>B</AnomalyClass><ReasonCodeCBSS>10000001</ReasonCodeCBSS><Justification>11111111111</Justification>
<FieldInformation><FieldName>INSS</FieldName><Value>11111111111</Value></FieldInformation><FieldInformation><FieldName>Quarter</FieldName></FieldInformation></DetailReturnCode>
<DetailReturnCode><AnomalyClass>W</AnomalyClass></DetailReturnCode></HandledCBSSInformation></CBSSInformation>
<HandlingResult><ResultCode>1</ResultCode></HandlingResult>`)
	want(t, f.CBSS, &CBSSResult{ResultCode: "2", Details: []CBSSDetail{
		{Class: "B", ReasonCode: "10000001", Justification: pv("11111111111"), Fields: []string{"INSS", "Quarter"}}, {Class: "W"},
	}})
	if f := form(t, "<CBSSInformation><KindOfTreatment>M</KindOfTreatment></CBSSInformation>"); f.CBSS != nil {
		t.Errorf("without a result: %+v", f.CBSS)
	}
}

func TestContact(t *testing.T) {
	f := form(t, "<CoordinatesContactPerson><Name>N</Name></CoordinatesContactPerson>")
	want(t, f.Contact, &Contact{Name: pv("N")})
	f = form(t, "<CoordinatesContactPerson><Name>N</Name><FirstName>F</FirstName><Communication><PhoneNbr>1</PhoneNbr><GSMNbr>2</GSMNbr><FaxNbr>3</FaxNbr><EmailAddress>4</EmailAddress></Communication></CoordinatesContactPerson>")
	want(t, f.Contact, &Contact{pv("N"), pv("F"), pv("1"), pv("2"), pv("3"), pv("4")})
}
