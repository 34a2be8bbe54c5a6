package naming

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDateOf(t *testing.T) {
	tests := []struct {
		name, utc string
		want      Date
	}{
		{"last second of a winter day", "2024-01-15T22:59:59Z", "20240115"},
		{"first second of a winter day", "2024-01-15T23:00:00Z", "20240116"},
		{"last second of a summer day", "2024-07-15T21:59:59Z", "20240715"},
		{"first second of a summer day", "2024-07-15T22:00:00Z", "20240716"},
		{"new year in Brussels, old year in UTC", "2024-12-31T23:30:00Z", "20250101"},
		{"leap day", "2024-02-28T23:00:00Z", "20240229"},
		{"day on which summer time begins, first second", "2024-03-30T23:00:00Z", "20240331"},
		{"day on which summer time begins, before", "2024-03-31T00:59:59Z", "20240331"},
		{"day on which summer time begins, after", "2024-03-31T01:00:00Z", "20240331"},
		{"day on which summer time begins, last second", "2024-03-31T21:59:59Z", "20240331"},
		{"day after summer time began", "2024-03-31T22:00:00Z", "20240401"},
		{"day on which summer time ends, first second", "2024-10-26T22:00:00Z", "20241027"},
		{"day on which summer time ends, last second", "2024-10-27T22:59:59Z", "20241027"},
		{"day after summer time ended", "2024-10-27T23:00:00Z", "20241028"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.utc)
			if err != nil {
				t.Fatal(err)
			}
			for _, zone := range []*time.Location{time.UTC, time.FixedZone("far east", 14*3600), time.FixedZone("far west", -12*3600)} {
				if got := DateOf(at.In(zone)); got != tt.want {
					t.Errorf("DateOf(%s) = %s, want %s", at.In(zone), got, tt.want)
				}
			}
		})
	}
}

func TestParseDate(t *testing.T) {
	for _, s := range []string{"20240229", "20000229", "00010101", "99991231", "20241231"} {
		if got, err := ParseDate(s); err != nil || string(got) != s {
			t.Errorf("ParseDate(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "2024", "2024-03-01", "202403010", " 2024030", "2024030a", "+2024030",
		"20230229", "21000229", "20240431", "20241301", "20240001", "20240100", "00000101",
	} {
		if got, err := ParseDate(s); err == nil || got != "" {
			t.Errorf("ParseDate(%q) = %q, %v, want an error", s, got, err)
		}
	}
}

func TestDateTime(t *testing.T) {
	for d, want := range map[Date]string{
		"20240115": "2024-01-14T23:00:00Z",
		"20240715": "2024-07-14T22:00:00Z",
		"20240331": "2024-03-30T23:00:00Z",
		"20241027": "2024-10-26T22:00:00Z",
	} {
		at, err := d.Time()
		if err != nil {
			t.Fatal(err)
		}
		if got := at.UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s begins at %s, want %s", d, got, want)
		}
	}
	if at, err := Date("20240231").Time(); err == nil {
		t.Errorf("20240231 begins at %s, want an error", at)
	}
}

func TestAddDays(t *testing.T) {
	tests := []struct {
		from Date
		days int
		want Date
	}{
		{"20240228", 1, "20240229"},
		{"20230228", 1, "20230301"},
		{"20240301", -1, "20240229"},
		{"20241231", 1, "20250101"},
		{"20240330", 1, "20240331"},
		{"20240331", 1, "20240401"},
		{"20241026", 1, "20241027"},
		{"20241027", 1, "20241028"},
		{"20241028", -1, "20241027"},
		{"20240301", 0, "20240301"},
		{"no date", 1, "no date"},
	}
	for _, tt := range tests {
		if got := tt.from.AddDays(tt.days); got != tt.want {
			t.Errorf("%s.AddDays(%d) = %s, want %s", tt.from, tt.days, got, tt.want)
		}
	}
}

// The text of dates orders as the days do, and counting days forth and back
// ends where it began, in the zone's whole history.
func TestDateOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(-2840000000, 4100000000).Draw(t, "from"), 0) // 1880 to 2099
		n := rapid.IntRange(1, 20000).Draw(t, "days")
		d := DateOf(from)
		later := d.AddDays(n)
		if later <= d {
			t.Fatalf("%s + %d days = %s", d, n, later)
		}
		if back := later.AddDays(-n); back != d {
			t.Fatalf("%s + %d - %d days = %s", d, n, n, back)
		}
		begin, err := d.Time()
		if err != nil {
			t.Fatal(err)
		}
		if DateOf(begin) != d || begin.After(from) {
			t.Fatalf("%s begins at %s, %s lies in it", d, begin, from)
		}
	})
}

func TestBrussels(t *testing.T) {
	if got := Brussels().String(); got != "Europe/Brussels" {
		t.Errorf("zone %q", got)
	}
}
