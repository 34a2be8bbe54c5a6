package sandbox

import (
	"encoding/xml"
	"io"
	"slices"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/naming"
)

const (
	receiptHead = xml.Header + `<ACRF xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="ACRF_20231.xsd">` + "\n"
	noticeHead  = xml.Header + `<NOTIFICATION xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="NOTIFICATION_20223.xsd">` + "\n"
)

// The blocks of both replies, in the order of the schemas ACRF_20231 and
// NOTIFICATION_20223.

type formHead struct {
	Identification    string `xml:",omitempty"`
	FormCreationDate  string `xml:",omitempty"`
	FormCreationHour  string `xml:",omitempty"`
	AttestationStatus string `xml:",omitempty"`
	TypeForm          string `xml:",omitempty"`
}

type fileReference struct {
	FileName        string
	ReferenceOrigin int
	ReferenceNbr    string
}

type receiptForm struct {
	XMLName xml.Name `xml:"Form"`
	formHead
	FileReference   fileReference
	ReceptionResult struct {
		ResultCode int
		ErrorID    []string
	}
}

type reference struct {
	ReferenceType   string
	ReferenceOrigin int
	ReferenceNbr    string
}

type noticeForm struct {
	XMLName xml.Name `xml:"Form"`
	formHead
	FileReference       *fileReference `xml:",omitempty"`
	HandledOriginalFile struct{ SenderId string }
	HandledOriginalForm *formHead `xml:",omitempty"`
	Reference           []reference
	HandledReference    reference
	HandlingResult      struct {
		ResultCode    int
		AnomalyReport []anomalyReport
	}
}

type anomalyReport struct {
	ErrorID         string
	TagName         string           `xml:",omitempty"`
	Value           string           `xml:",omitempty"`
	AnomalyClass    string           `xml:",omitempty"`
	AnomalyLabel    string           `xml:",omitempty"`
	AnomalyLocation *anomalyLocation `xml:",omitempty"`
}

type anomalyLocation struct {
	LineNbr   int    `xml:",omitempty"`
	ColumnNbr int    `xml:",omitempty"`
	Location  string `xml:",omitempty"`
}

func (s *Server) head(identification, kind string) formHead {
	now := s.clock().In(naming.Brussels())
	return formHead{identification, now.Format(time.DateOnly), now.Format(hourForm), "0", kind}
}

const hourForm = "15:04:05.000"

func (s *Server) writeReceipt(w io.Writer, d *answerDue) error {
	form := receiptForm{formHead: s.head("ACRF001", "PA"), FileReference: fileReference{d.FileName, 2, d.Ticket}}
	if len(d.Errors) == 0 {
		form.ReceptionResult.ResultCode = 1
	}
	form.ReceptionResult.ErrorID = d.Errors
	return writeForms(w, receiptHead, "</ACRF>\n", func(add func(any) error) error { return add(form) })
}

// writeNotification writes a form for every form of the declaration, which it
// reads again; neither is ever in memory as a whole.
func (s *Server) writeNotification(w io.Writer, d *answerDue) error {
	fi, err := s.root.Open(d.FI)
	if err != nil {
		return err
	}
	defer fi.Close()
	return writeForms(w, noticeHead, "</NOTIFICATION>\n", func(add func(any) error) error {
		_, err := declaration.Inspect(fi, declaration.Options{KeepForms: -1, OnForm: func(f declaration.Form) error {
			return add(s.noticeForm(d, f))
		}})
		return err
	})
}

func (s *Server) noticeForm(d *answerDue, f declaration.Form) noticeForm {
	form := noticeForm{formHead: s.head("NOTI001", "FA")}
	if !d.Rule.NoFileReference {
		form.FileReference = &fileReference{d.FileName, 2, d.Ticket}
	}
	form.HandledOriginalFile.SenderId = d.Sender
	if h := handled(f); h != (formHead{}) {
		form.HandledOriginalForm = &h
	}
	for _, r := range f.References {
		if len(form.Reference) < 4 && len(r.Type) == 1 && r.Type >= "0" && r.Type <= "9" && r.Number != "" {
			form.Reference = append(form.Reference, reference{r.Type, 1, r.Number})
		}
	}
	form.HandledReference = reference{"1", 2, ticket("350", d.ID<<22+int64(f.Index))}
	kind, anomalies := d.Rule.Notification, d.Rule.Anomalies
	if len(d.Rule.Forms) > 0 && !slices.Contains(d.Rule.Forms, f.Index) {
		kind, anomalies = "accepted", nil
	}
	switch kind {
	case "refused":
		if len(anomalies) == 0 {
			anomalies = []Anomaly{{ID: "90017-001", Class: "B", Tag: "Form", Label: "made up by the sandbox"}}
		}
	case "validate":
		form.HandlingResult.ResultCode = 2
	case "remarks":
		form.HandlingResult.ResultCode = 1
		if len(anomalies) == 0 {
			anomalies = []Anomaly{{ID: "00024-005", Class: "W", Tag: "INSS", Label: "made up by the sandbox"}}
		}
	default:
		form.HandlingResult.ResultCode = 1
	}
	for _, a := range anomalies {
		report := anomalyReport{a.ID, a.Tag, a.Value, a.Class, a.Label, nil}
		if a.Line != 0 || a.Column != 0 || a.Location != "" {
			report.AnomalyLocation = &anomalyLocation{a.Line, a.Column, a.Location}
		}
		form.HandlingResult.AnomalyReport = append(form.HandlingResult.AnomalyReport, report)
	}
	return form
}

// handled copies what is valid of the head of a declaration's form.
func handled(f declaration.Form) formHead {
	var h formHead
	if len(f.Identification) <= 7 {
		h.Identification = f.Identification
	}
	if _, err := time.Parse(time.DateOnly, f.CreationDate); err == nil {
		h.FormCreationDate = f.CreationDate
	}
	if _, err := time.Parse(hourForm, f.CreationHour); err == nil && len(f.CreationHour) == len(hourForm) {
		h.FormCreationHour = f.CreationHour
	}
	if slices.Contains([]string{"RE", "PA", "FA", "LA", "SU"}, f.TypeForm) {
		h.TypeForm = f.TypeForm
	}
	return h
}

// writeForms writes the forms between head and foot.
func writeForms(w io.Writer, head, foot string, forms func(add func(any) error) error) error {
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	err := forms(func(form any) error {
		text, err := xml.MarshalIndent(form, "\t", "\t")
		if err == nil {
			_, err = w.Write(append(text, '\n'))
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, foot)
	return err
}
