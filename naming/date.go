package naming

import (
	"time"
	_ "time/tzdata" // the calendar day must be right on machines without zone data
)

// Date is a calendar day in Brussels, written YYYYMMDD as in a name. Dates
// order as their text does.
type Date string

var brussels = mustLoad("Europe/Brussels")

func mustLoad(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err) // the zone data is compiled in
	}
	return loc
}

// Brussels is the time zone of the channel's dates.
func Brussels() *time.Location { return brussels }

// DateOf gives the calendar day in Brussels at the moment t.
func DateOf(t time.Time) Date { return Date(t.In(brussels).Format("20060102")) }

// ParseDate accepts a real calendar day written as eight digits.
func ParseDate(s string) (Date, error) {
	if !digits(s, 8) {
		return "", problemf("date %q is not eight digits YYYYMMDD", s)
	}
	if _, err := time.Parse("20060102", s); err != nil || s[:4] == "0000" {
		return "", problemf("date %q is not a day of the calendar", s)
	}
	return Date(s), nil
}

// Time is the beginning of the day in Brussels.
func (d Date) Time() (time.Time, error) {
	return time.ParseInLocation("20060102", string(d), brussels)
}

// Moment reads when a form was made, as forms say it: a day YYYY-MM-DD and an hour
// hh:mm:ss.mmm in Brussels. ok is false where either is none.
func Moment(day, hour string) (t time.Time, ok bool) {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", day+" "+hour, brussels)
	return t, err == nil
}

// AddDays gives the day n days later (earlier for a negative n).
func (d Date) AddDays(n int) Date {
	t, err := d.Time()
	if err != nil {
		return d
	}
	return Date(t.AddDate(0, 0, n).Format("20060102"))
}

func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
