package config

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/naming"
)

// StringList is a list of strings; in the file a single one need not be a list.
type StringList []string

// UnmarshalTOML reads a string or a list of strings.
func (t *StringList) UnmarshalTOML(v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	*t = nil
	for _, x := range list {
		s, ok := x.(string)
		if !ok {
			return problem.New("must be a text, or a list of texts")
		}
		*t = append(*t, s)
	}
	return nil
}

// Period is a stretch of the calendar: a number and a unit, such as 400d.
type Period string

var period = regexp.MustCompile(`^([1-9][0-9]{0,4})(d|w|mo|y)$`)

// ParsePeriod reads a period: d days, w weeks, mo months, y years.
func ParsePeriod(text string) (Period, error) {
	if !period.MatchString(text) {
		return "", problem.New("%q is not a time such as 400d, 60w, 18mo or 5y", text)
	}
	return Period(text), nil
}

// UnmarshalText is ParsePeriod.
func (p *Period) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePeriod(string(b))
	return err
}

// Before gives the moment that lies so long before another.
func (p Period) Before(t time.Time) time.Time {
	m := period.FindStringSubmatch(string(p))
	if m == nil {
		return t
	}
	n, _ := strconv.Atoi(m[1]) // five digits
	switch m[2] {
	case "d":
		return t.AddDate(0, 0, -n)
	case "w":
		return t.AddDate(0, 0, -7*n)
	case "mo":
		return t.AddDate(0, -n, 0)
	}
	return t.AddDate(-n, 0, 0)
}

// Date is a day, in the file written "2026-11-25" or 2026-11-25.
type Date naming.Date

// UnmarshalTOML reads a text or a date of TOML.
func (d *Date) UnmarshalTOML(v any) error {
	day, ok := v.(string)
	if t, isTime := v.(time.Time); isTime {
		day, ok = t.Format(time.DateOnly), true
	}
	t, err := time.Parse(time.DateOnly, day)
	if !ok || err != nil {
		return problem.New("%v is not a day such as \"2026-11-25\"", v)
	}
	*d = Date(t.Format("20060102"))
	return nil
}

// Duration is a time such as "60s" or "2m".
type Duration time.Duration

// UnmarshalText reads the notation of Go: 90s, 2m, 1h30m.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time such as \"60s\" or \"2m\"", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the notation of Go.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
