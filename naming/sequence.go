package naming

import (
	"errors"
)

// Sequence numbers the sets of one application, sender, day and environment:
// five characters of 0-9 and A-Z, not 00000.
type Sequence string

// FirstSequence is the number of the first set of a day.
const FirstSequence Sequence = "00001"

// ErrSequenceExhausted says that no number is left for the day.
var ErrSequenceExhausted = errors.New("all sequence numbers of the day are used")

// ParseSequence accepts five characters of 0-9 and A-Z other than 00000.
func ParseSequence(s string) (Sequence, error) {
	if len(s) != 5 {
		return "", problemf("sequence %q is not 5 positions long", s)
	}
	if !sequenceCharacters(s) {
		return "", problemf("sequence %q has a character other than 0-9 and A-Z", s)
	}
	if s == "00000" {
		return "", problemf("sequence 00000 is not allowed: numbering starts at 00001")
	}
	return Sequence(s), nil
}

// Next gives the number after s: 00001 to 99999 first, then every number that
// has a letter, from 0000A to ZZZZZ. No number comes twice. After ZZZZZ it
// fails with [ErrSequenceExhausted].
func (s Sequence) Next() (Sequence, error) {
	if s == "" {
		return FirstSequence, nil
	}
	if s != "00000" { // the only starting point that is not itself a number
		if _, err := ParseSequence(string(s)); err != nil {
			return "", err
		}
	}
	if s == "99999" {
		return "0000A", nil
	}
	if s == "ZZZZZ" {
		return "", ErrSequenceExhausted
	}
	b := []byte(s)
	last := byte('Z')
	if digits(string(s), 5) {
		last = '9'
	}
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == last {
			b[i] = '0'
			continue
		}
		if b[i] == '9' {
			b[i] = 'A'
		} else {
			b[i]++
		}
		break
	}
	// Numbers of digits only had their turn before the letters began.
	if last == 'Z' && digits(string(b), 5) {
		b[4] = 'A'
	}
	return Sequence(b), nil
}

// Compare orders numbers as [Sequence.Next] gives them: negative when s comes
// before o, zero when they are equal.
func (s Sequence) Compare(o Sequence) int {
	sd, od := digits(string(s), 5), digits(string(o), 5)
	switch {
	case s == o:
		return 0
	case sd != od:
		if sd {
			return -1
		}
		return 1
	case s < o:
		return -1
	}
	return 1
}

func sequenceCharacters(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
