package naming

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSequenceNext(t *testing.T) {
	tests := []struct{ from, want Sequence }{
		{"", "00001"},
		{"00000", "00001"},
		{"00001", "00002"},
		{"00009", "00010"},
		{"00099", "00100"},
		{"09999", "10000"},
		{"99998", "99999"},
		{"99999", "0000A"}, // digits are used up, letters follow
		{"0000A", "0000B"},
		{"0000Y", "0000Z"},
		{"0000Z", "0001A"}, // 00010 to 00019 had their turn
		{"0009Z", "000A0"},
		{"000A9", "000AA"},
		{"000AZ", "000B0"},
		{"000ZZ", "0010A"},
		{"0099Z", "009A0"},
		{"00ZZZ", "0100A"},
		{"0ZZZZ", "1000A"},
		{"24AZG", "24AZH"},
		{"9999Z", "999A0"},
		{"9ZZZZ", "A0000"},
		{"ZZZZY", "ZZZZZ"},
	}
	for _, tt := range tests {
		got, err := tt.from.Next()
		if err != nil || got != tt.want {
			t.Errorf("%q.Next() = %q, %v, want %q", tt.from, got, err, tt.want)
		}
	}
	if got, err := Sequence("ZZZZZ").Next(); !errors.Is(err, ErrSequenceExhausted) || got != "" {
		t.Errorf("ZZZZZ.Next() = %q, %v, want ErrSequenceExhausted", got, err)
	}
	for _, s := range []Sequence{"1", "000001", "0000a", "0000é", "00 01", "0000\x00"} {
		if got, err := s.Next(); err == nil || got != "" {
			t.Errorf("%q.Next() = %q, %v, want an error", s, got, err)
		}
	}
}

// rank computes the place of a number in the order of Next by arithmetic that
// shares nothing with it: all-digit numbers come first, then the others in the
// order of their value in base 36.
func rank(s Sequence) int {
	value, decimal, allDigits, digitsBelow := 0, 0, true, 0
	for i := range 5 {
		d := strings.IndexByte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", s[i])
		value = value*36 + d
		decimal = decimal*10 + d
		if allDigits { // count all-digit texts that are less than s
			digitsBelow += min(d, 10) * []int{10000, 1000, 100, 10, 1}[i]
			allDigits = d < 10
		}
	}
	if allDigits {
		return decimal
	}
	return 99999 + value - digitsBelow + 1
}

const sequences = 36*36*36*36*36 - 1 // five characters of 36, without 00000

// The steps around every point where the writing of a number changes: before
// and after each carry, the beginning, the end, and the change to letters.
func TestSequenceWalkAroundBoundaries(t *testing.T) {
	if got := rank("ZZZZZ"); got != sequences {
		t.Fatalf("rank of the last number is %d, want %d", got, sequences)
	}
	starts := []Sequence{"", "99950", "ZZZY0"}
	for _, c := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, form := range []string{"000%cY", "00%cZY", "0%cZZY", "%cZZZY", "0%c99Y", "%c999Y", "A%c0ZY", "9%c99Y"} {
			starts = append(starts, Sequence(fmt.Sprintf(form, c)))
		}
	}
	for _, d := range "0123456789" {
		for _, form := range []string{"000%c0", "00%c90", "0%c990", "%c9990"} {
			starts = append(starts, Sequence(fmt.Sprintf(form, d)))
		}
	}
	for _, s := range starts {
		at := 0
		if s != "" && s != "00000" {
			at = rank(s)
		}
		for range 100 {
			next, err := s.Next()
			if at == sequences {
				if !errors.Is(err, ErrSequenceExhausted) {
					t.Fatalf("after %d numbers, %q.Next() = %q, %v", at, s, next, err)
				}
				break
			}
			if err != nil {
				t.Fatalf("%q.Next(): %v", s, err)
			}
			if at++; rank(next) != at {
				t.Fatalf("%q.Next() = %q, which is number %d, want %d", s, next, rank(next), at)
			}
			s = next
		}
	}
}

// Every step goes exactly one up in rank. Rank runs from 1 to 36^5-1 without
// gaps, so a walk from the start meets each number once.
func TestSequenceNextIsAnInjection(t *testing.T) {
	number := rapid.OneOf(rapid.StringMatching(`[0-9A-Z]{5}`), rapid.StringMatching(`[0-9]{5}`), rapid.StringMatching(`[09AZ]{5}`))
	rapid.Check(t, func(t *rapid.T) {
		a, b := Sequence(number.Draw(t, "a")), Sequence(number.Draw(t, "b"))
		if r := rank(a); r < 0 || r > sequences || (a != b && r == rank(b)) {
			t.Fatalf("rank %d of %q, %d of %q", r, a, rank(b), b)
		}
		if got, want := a.Compare(b), sign(rank(a)-rank(b)); got != want || b.Compare(a) != -want {
			t.Fatalf("%q.Compare(%q) = %d, want %d", a, b, got, want)
		}
		if a == "ZZZZZ" {
			return
		}
		next, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseSequence(string(next)); err != nil {
			t.Fatalf("%q.Next(): %v", a, err)
		}
		if a.Compare(next) != -1 || rank(next) != rank(a)+1 {
			t.Fatalf("%q.Next() = %q goes from number %d to %d", a, next, rank(a), rank(next))
		}
	})
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestParseSequence(t *testing.T) {
	for _, s := range []string{"00001", "99999", "0000A", "24AZG", "ZZZZZ"} {
		if got, err := ParseSequence(s); err != nil || string(got) != s {
			t.Errorf("ParseSequence(%q) = %q, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"": "5 positions", "1": "5 positions", "000001": "5 positions",
		"0000a": "other than", "00-01": "other than", "00000": "starts at 00001",
	} {
		if got, err := ParseSequence(s); err == nil || got != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSequence(%q) = %q, %v, want an error with %q", s, got, err, want)
		}
	}
}
