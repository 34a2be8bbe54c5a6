package sandbox

import (
	"archive/zip"
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/naming"
)

// Applications of replies.
const (
	receipt      = "ACRF"
	notification = "NOTI"
)

// plan lists the answers to a set. Server.mu is held.
func (s *Server) plan(set ProcessedSet, rule Rule, now time.Time) []*answerDue {
	env := environmentOf(set.Folder)
	fileName := set.GO
	if rule.NameFI && len(set.Files) > 0 {
		fileName = set.Files[0].Name
	}
	answer := answerDue{
		ID: s.state.lastDue, At: now, Folder: env.Outbox(), Environment: string(env), FileName: fileName,
		Sender: s.cfg.Sender, Ticket: set.Ticket, Rule: rule,
	}
	var due []*answerDue
	add := func(a answerDue) {
		answer.ID++
		a.ID = answer.ID
		due = append(due, &a)
	}
	if rule.Receipt != "none" {
		answer.At = now.Add(delayOf(rule.ReceiptDelay, s.cfg.ReceiptDelay))
		a := answer
		a.Application, a.For, a.Errors = receipt, set.GO, set.Errors
		add(a)
	}
	if set.Outcome != Accepted || rule.Notification == "none" {
		return due
	}
	for _, f := range set.Files {
		a := answer
		a.At = a.At.Add(delayOf(rule.NotificationDelay, s.cfg.NotificationDelay))
		a.Application, a.For, a.FI = notification, f.Name, set.path()+"/"+f.Name
		if rule.NameFI {
			a.FileName = f.Name
		}
		add(a)
	}
	return due
}

// delayOf prefers the rule's delay. It is never negative, so that a notification
// does not come before its receipt.
func delayOf(d *Duration, otherwise time.Duration) time.Duration {
	if d != nil {
		otherwise = time.Duration(*d)
	}
	return max(otherwise, 0)
}

func environmentOf(folder string) naming.Environment {
	for _, e := range naming.Environments() {
		if e.Inbox() == folder {
			return e
		}
	}
	return ""
}

// nextAnswer finds the earliest answer that is due; with all, that is planned.
func (s *Server) nextAnswer(now time.Time, all bool) *answerDue {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next *answerDue
	for _, d := range s.state.due {
		if next == nil || cmp.Or(d.At.Compare(next.At), cmp.Compare(d.ID, next.ID)) < 0 {
			next = d
		}
	}
	if next == nil || (!all && next.At.After(now)) {
		return nil
	}
	return next
}

// give makes one reply set appear. All its files are written first, outside of
// the client's sight; then FO, FS and GO move into the folder in this order. The
// work lock is held.
func (s *Server) give(d *answerDue) error {
	series := fmt.Sprintf("%s.%s.%s.", d.Application, naming.OfficeSender, naming.DateOf(s.clock()))
	s.mu.Lock()
	seq, ok := s.state.sequences[series+d.Environment]
	s.mu.Unlock()
	var err error
	if !ok {
		seq = naming.FirstSequence
	} else if seq, err = seq.Next(); err != nil {
		return err
	}
	tail := "." + series + string(seq) + "." + d.Environment
	stage := stagingDir + "/" + strconv.FormatInt(d.ID, 10)
	dir := stage + "/" + d.Folder
	if err := s.root.RemoveAll(stage); err != nil {
		return err
	}
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	names, err := s.writeReply(d, dir, tail)
	if err != nil {
		return err
	}
	var files []File
	for _, name := range names[:len(names)-1] {
		file, err := s.digest(member{name, dir + "/" + name}, io.Discard)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	s.mu.Lock()
	err = s.state.note(record{Done: d.ID, Series: series + d.Environment, Sequence: string(seq)})
	s.mu.Unlock()
	if err != nil {
		return err
	}
	g := &growth{stage: stage, folder: d.Folder, names: names, event: Event{
		Kind: Replied, Folder: d.Folder, Name: names[0], Reply: d.Application, For: d.For, Ticket: d.Ticket, Files: files,
	}}
	if s.faults().HalfWrittenReplies {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.growing = append(s.growing, g)
		return s.grow(g)
	}
	if err := s.publish(dir, d.Folder, names); err != nil {
		return err
	}
	s.journal.add(g.event)
	return s.root.RemoveAll(stage)
}

// writeReply writes FO or CO, FS and GO into dir, and gives their names.
func (s *Server) writeReply(d *answerDue, dir, tail string) (names []string, err error) {
	main := string(naming.FO) + tail
	write := func(w io.Writer) error { return s.writeContent(w, d) }
	if d.Rule.Compressed {
		entry := main
		main = string(naming.CO) + tail
		write = func(w io.Writer) error {
			z := zip.NewWriter(w)
			e, err := z.Create(entry)
			if err == nil {
				err = s.writeContent(e, d)
			}
			return errors.Join(err, z.Close())
		}
	}
	if err := s.writeFile(dir+"/"+main, write); err != nil {
		return nil, fmt.Errorf("write %s: %w", main, err)
	}
	names = append(names, main)
	if d.Rule.SignReplies == nil || *d.Rule.SignReplies {
		text, err := s.signReply(dir + "/" + main)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", main, err)
		}
		if err := s.root.WriteFile(dir+"/"+string(naming.FS)+tail, text, 0o600); err != nil {
			return nil, err
		}
		names = append(names, string(naming.FS)+tail)
	}
	if err := s.root.WriteFile(dir+"/"+string(naming.GO)+tail, nil, 0o600); err != nil {
		return nil, err
	}
	return append(names, string(naming.GO)+tail), nil
}

func (s *Server) writeFile(path string, write func(io.Writer) error) error {
	f, err := s.root.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	err = write(w)
	return errors.Join(err, w.Flush(), f.Close())
}

// publish moves the files of a reply set into its folder, GO last.
func (s *Server) publish(dir, folder string, names []string) error {
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	for _, name := range names {
		if err := s.root.Rename(dir+"/"+name, folder+"/"+name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("publish %s: %w", name, err)
		}
	}
	return nil
}

// growth is a reply that appears step by step.
type growth struct {
	stage, folder string
	names         []string // FO or CO, perhaps FS, GO
	step          int
	event         Event
}

// growReplies takes every half-written reply of a folder one step on.
func (s *Server) growReplies(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.growing = slices.DeleteFunc(s.growing, func(g *growth) bool {
		if g.folder != folder {
			return false
		}
		if err := s.grow(g); err != nil {
			s.failed("grow "+g.names[0], err)
			return true
		}
		return g.step > 2
	})
}

// grow takes the next step: half of the first file; all of it, and GO; the
// rest. Server.mu is held.
func (s *Server) grow(g *growth) error {
	dir := g.stage + "/" + g.folder
	g.step++
	switch g.step {
	case 1:
		whole, err := s.root.ReadFile(dir + "/" + g.names[0])
		if err != nil {
			return err
		}
		return s.root.WriteFile(g.folder+"/"+g.names[0], whole[:len(whole)/2], 0o600)
	case 2:
		whole, err := s.root.ReadFile(dir + "/" + g.names[0])
		if err != nil {
			return err
		}
		if err := s.root.WriteFile(g.folder+"/"+g.names[0], whole, 0o600); err != nil {
			return err
		}
		last := g.names[len(g.names)-1]
		return s.root.Rename(dir+"/"+last, g.folder+"/"+last)
	}
	if len(g.names) == 3 {
		if err := s.root.Rename(dir+"/"+g.names[1], g.folder+"/"+g.names[1]); err != nil {
			return err
		}
	}
	s.journal.add(g.event)
	return s.root.RemoveAll(g.stage)
}

// writeContent writes the XML of a reply.
func (s *Server) writeContent(w io.Writer, d *answerDue) error {
	if d.Application == receipt {
		return s.writeReceipt(w, d)
	}
	return s.writeNotification(w, d)
}

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

// Pending lists the names in the folder OUT… of an environment, by name.
func (s *Server) Pending(env naming.Environment) []string {
	if !env.Valid() {
		return nil
	}
	entries, err := readDir(s.root, env.Outbox())
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}
