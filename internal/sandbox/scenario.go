package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/naming"
)

// Scenario chooses what the stand-in answers and what goes wrong. The zero
// value accepts everything that is right and has no faults. As TOML:
//
//	[[rule]]                      # the first rule that matches a set is used
//	application = "DMFA"
//	environment = "T"
//	notification = "remarks"
//	anomalies = [{id = "00024-005", class = "NP", tag = "NOSSRegistrationNbr"}]
//
//	[faults]
//	forbid_in = ["stat", "list"]
type Scenario struct {
	Rules  []Rule `toml:"rule"`
	Faults Faults `toml:"faults"`
}

// Rule says how the sets that it matches are answered. Every field under
// "matched by" that is set has to fit; a rule without any fits every set.
type Rule struct {
	// Matched by:

	Application string `toml:"application" json:",omitempty"` // DMFA; patterns as in path.Match are possible, here and below
	Environment string `toml:"environment" json:",omitempty"` // R, T or S
	Sequence    string `toml:"sequence" json:",omitempty"`
	Root        string `toml:"root" json:",omitempty"` // root element of the first part

	// What is done:

	// Process is when the set is taken: empty at once, "manual" with
	// [Server.Process] or [Server.Flush], or a time such as "2s" after its GO.
	Process string `toml:"process" json:",omitempty"`
	// Receipt "none" leaves out the ACRF.
	Receipt      string    `toml:"receipt" json:",omitempty"`
	ReceiptDelay *Duration `toml:"receipt_delay" json:",omitempty"` // instead of Config.ReceiptDelay
	// Refuse adds these error ids, so that the set is refused.
	Refuse []string `toml:"refuse" json:",omitempty"`

	// Notification is "accepted" (also when empty), "remarks", "refused",
	// "validate" or "none".
	Notification      string    `toml:"notification" json:",omitempty"`
	NotificationDelay *Duration `toml:"notification_delay" json:",omitempty"` // after the receipt; instead of Config.NotificationDelay
	// Anomalies go into the forms; where there have to be some and none are
	// given, one is made up.
	Anomalies []Anomaly `toml:"anomalies" json:",omitempty"`
	// Forms limits Notification and Anomalies to these forms of the declaration,
	// counted from 1; the others are accepted. Empty: all forms.
	Forms []int `toml:"forms" json:",omitempty"`

	Compressed      bool  `toml:"compressed" json:",omitempty"`        // CO, a ZIP with one entry, instead of FO
	NoFileReference bool  `toml:"no_file_reference" json:",omitempty"` // NOTI without FileReference
	NameFI          bool  `toml:"name_fi" json:",omitempty"`           // replies name the first FI, not the GO
	SignReplies     *bool `toml:"sign_replies" json:",omitempty"`      // false: no FS beside the reply
}

// Anomaly is one AnomalyReport of a notification.
type Anomaly struct {
	ID       string `toml:"id"`    // zzzzz-nnn
	Class    string `toml:"class"` // B blocking, P percentage, NP not percentage, W warning
	Tag      string `toml:"tag"`
	Value    string `toml:"value" json:",omitempty"`
	Label    string `toml:"label" json:",omitempty"`
	Line     int    `toml:"line" json:",omitempty"`
	Column   int    `toml:"column" json:",omitempty"`
	Location string `toml:"location" json:",omitempty"`
}

// Faults are what goes wrong, on every connection. Patterns are those of
// path.Match, on the file's name.
type Faults struct {
	// CutAfterBytes ends the connection when more than so many bytes of file
	// content were received on it; once, or with CutEach on every connection.
	CutAfterBytes int64 `toml:"cut_after_bytes"`
	CutEach       bool  `toml:"cut_each"`
	// RefuseWrite refuses to open such files for writing, RefuseClose fails when
	// they are closed, as with a quota.
	RefuseWrite string `toml:"refuse_write"`
	RefuseClose string `toml:"refuse_close"`
	// NoSpace fails every write beyond the first NoSpaceAfter bytes of a file.
	NoSpace      bool  `toml:"no_space"`
	NoSpaceAfter int64 `toml:"no_space_after"`
	// ForbidIn and ForbidOut refuse "stat", "list", "delete", "read" or "write"
	// in the folders IN… and OUT…; stat covers fstat.
	ForbidIn  []string `toml:"forbid_in"`
	ForbidOut []string `toml:"forbid_out"`
	// Vanish takes every file away the moment it is closed.
	Vanish bool `toml:"vanish"`
	// HalfWrittenReplies lets a client see replies grow. Every listing of the
	// folder moves one step on: half of the FO; the whole FO and GO; FS.
	HalfWrittenReplies bool `toml:"half_written_replies"`
	// Slow holds every answer back for so long, as a distant server would;
	// requests in flight together wait together.
	Slow Duration `toml:"slow"`
	// StoreAtMost acknowledges every write and keeps only so many bytes of each
	// file; 0 keeps all.
	StoreAtMost int64 `toml:"store_at_most"`
}

// Duration is a time.Duration that is written like "1m30s".
type Duration time.Duration

// UnmarshalText reads a text such as "250ms".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = fmt.Errorf("duration %s is negative", v)
	}
	*d = Duration(v)
	return err
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// ParseScenario reads TOML. A key that does not exist is an error, and so is a
// value that a [Scenario] cannot have.
func ParseScenario(text []byte) (Scenario, error) {
	var sc Scenario
	meta, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&sc)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		names := make([]string, len(unknown))
		for i, k := range unknown {
			names[i] = k.String()
		}
		return Scenario{}, fmt.Errorf("scenario: unknown key %s", strings.Join(names, ", "))
	}
	if err := sc.Check(); err != nil {
		return Scenario{}, err
	}
	return sc, nil
}

var (
	receiptID = regexp.MustCompile(`^ACRF-[0-9]{3}$`)
	anomalyID = regexp.MustCompile(`^[0-9]{5}-[0-9]{3}$`)
)

// Check reports every value that a scenario cannot have.
func (sc Scenario) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("scenario: "+format, args...)) }
	pattern := func(what, p string) {
		if _, err := path.Match(p, ""); err != nil {
			bad("%s: %q is not a pattern", what, p)
		}
	}
	for i, r := range sc.Rules {
		at := "rule " + strconv.Itoa(i+1)
		pattern(at+": application", r.Application)
		pattern(at+": sequence", r.Sequence)
		pattern(at+": root", r.Root)
		if r.Environment != "" && !naming.Environment(r.Environment).Valid() {
			bad("%s: environment %q is not R, T or S", at, r.Environment)
		}
		if _, _, err := r.process(); err != nil {
			bad("%s: process %q is neither \"manual\" nor a time", at, r.Process)
		}
		if r.Receipt != "" && r.Receipt != "none" {
			bad("%s: receipt %q: only \"none\" is possible", at, r.Receipt)
		}
		for _, id := range r.Refuse {
			if !receiptID.MatchString(id) {
				bad("%s: refuse: %q has not the form ACRF-nnn", at, id)
			}
		}
		if !slices.Contains([]string{"", "accepted", "remarks", "refused", "validate", "none"}, r.Notification) {
			bad("%s: notification %q is not accepted, remarks, refused, validate or none", at, r.Notification)
		}
		for _, a := range r.Anomalies {
			if !anomalyID.MatchString(a.ID) {
				bad("%s: anomaly id %q has not the form zzzzz-nnn", at, a.ID)
			}
			if len(a.Class) > 2 {
				bad("%s: anomaly class %q is longer than 2 characters", at, a.Class)
			}
			if a.Line < 0 || a.Column < 0 {
				bad("%s: anomaly %s: line and column count from 1", at, a.ID)
			}
		}
	}
	f := sc.Faults
	pattern("refuse_write", f.RefuseWrite)
	pattern("refuse_close", f.RefuseClose)
	for _, v := range slices.Concat(f.ForbidIn, f.ForbidOut) {
		if !slices.Contains([]string{"stat", "list", "delete", "read", "write"}, v) {
			bad("forbid: %q is not stat, list, delete, read or write", v)
		}
	}
	if f.CutAfterBytes < 0 || f.NoSpaceAfter < 0 || f.StoreAtMost < 0 {
		bad("a number of bytes is negative")
	}
	return errors.Join(errs...)
}

// process reads the field Process.
func (r Rule) process() (delay time.Duration, manual bool, err error) {
	switch r.Process {
	case "":
		return 0, false, nil
	case "manual":
		return 0, true, nil
	}
	delay, err = time.ParseDuration(r.Process)
	if err == nil && delay < 0 {
		err = errors.New("negative")
	}
	return delay, false, err
}

func (r Rule) matches(application, environment, sequence, root string) bool {
	return matches(r.Application, application) && (r.Environment == "" || r.Environment == environment) &&
		matches(r.Sequence, sequence) && matches(r.Root, root)
}

// needsRoot reports whether rules look at the root element.
func (sc *Scenario) needsRoot() bool {
	return slices.ContainsFunc(sc.Rules, func(r Rule) bool { return r.Root != "" })
}

// rule finds the rule for a set, from the fields of its GO.
func (sc *Scenario) rule(goName, root string) Rule {
	f := append(strings.Split(goName, "."), make([]string, 6)...)
	for _, r := range sc.Rules {
		if r.matches(f[1], f[5], f[4], root) {
			return r
		}
	}
	return Rule{}
}

// matches reports whether a text fits a pattern; the empty one fits all.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	ok, _ := path.Match(pattern, text)
	return ok
}

// strikes is matches for faults: the empty pattern fits none.
func strikes(pattern, text string) bool { return pattern != "" && matches(pattern, text) }

// forbids reports whether the faults refuse an action in a folder.
func (f *Faults) forbids(folder, action string) bool {
	if strings.HasPrefix(folder, "IN") {
		return slices.Contains(f.ForbidIn, action)
	}
	return folder != "" && slices.Contains(f.ForbidOut, action)
}
