// Package errorid explains the error ids of receipts and notifications, in
// short words of our own and in every language of package lang. A Language that
// is none of them is answered in English.
//
// The office keeps one list of error numbers, of three digits. In a receipt the
// number stands behind ACRF, as in ACRF-125. In a notification it stands behind
// the five digits of the zone or block concerned, as in 90017-250.
//
// How certain it is:
//   - The numbers and what they mean come from the official list of error codes
//     (edition 2022/1), except for 430 and 524, whose single line in it leaves
//     open what exactly happened.
//   - What to do is our advice. Where it names limits or formats it says no more
//     than the documents of the channel do.
//   - That the three digits of a notification are from the same list is seen in
//     annotated error lists of single applications; nothing states it for all.
//
// Explained are the errors of names, transfer, signature and structure of a
// file, and those contents errors that mean the same in every application. What
// a number means for one zone of one application is told by that application's
// own annotated error list.
package errorid

import (
	"embed"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"

	"github.com/socbatch/socbatch/internal/lang"
)

// Kind is the kind of reply that an error id stands in.
type Kind string

// The kinds.
const (
	Receipt      Kind = "receipt"
	Notification Kind = "notification"
)

// ID is an error id.
type ID struct {
	Kind   Kind
	Zone   string // five digits, of a notification only
	Number string // three digits
}

func (id ID) String() string {
	if id.Kind == Receipt {
		return "ACRF-" + id.Number
	}
	return id.Zone + "-" + id.Number
}

var (
	receiptForm      = regexp.MustCompile(`^(?:ACRF-)?([0-9]{3})$`)
	notificationForm = regexp.MustCompile(`^([0-9]{5})-([0-9]{3})$`)
)

// Parse reads ACRF-125, 125 (which means the same) or 90017-250, in any case
// and with spaces around it. False means that the text has none of these forms;
// it says nothing about whether the office knows the number.
func Parse(text string) (ID, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if m := receiptForm.FindStringSubmatch(text); m != nil {
		return ID{Kind: Receipt, Number: m[1]}, true
	}
	if m := notificationForm.FindStringSubmatch(text); m != nil {
		return ID{Kind: Notification, Zone: m[1], Number: m[2]}, true
	}
	return ID{}, false
}

// Explanation is what a person should know of an error: whole sentences, on
// one line each.
type Explanation struct {
	Means string `toml:"means"`
	Do    string `toml:"do"` // what to do about it
}

// Lookup explains an error id. False means that it is not among those that are
// explained here: then show Unknown and Where.
func Lookup(id ID, l lang.Language) (Explanation, bool) {
	x, ok := textsIn(l).Error[id.Number]
	return x, ok
}

// Numbers lists the error numbers that are explained here, in order.
func Numbers() []string { return slices.Sorted(maps.Keys(read()[lang.English].Error)) }

// Unknown says that there is no explanation here.
func Unknown(l lang.Language) string { return textsIn(l).Unknown }

// Where says where the office explains the ids of a kind.
func Where(k Kind, l lang.Language) string { return textsIn(l).Where[k] }

// texts is the content of one file.
type texts struct {
	Unknown string                 `toml:"unknown"`
	Where   map[Kind]string        `toml:"where"`
	Error   map[string]Explanation `toml:"error"` // by number
}

//go:embed *.toml
var files embed.FS

var read = sync.OnceValue(func() map[lang.Language]texts {
	all := map[lang.Language]texts{}
	for _, l := range lang.Languages() {
		var t texts
		if _, err := toml.DecodeFS(files, string(l)+".toml", &t); err != nil {
			panic(err) // the files are part of the program
		}
		all[l] = t
	}
	return all
})

func textsIn(l lang.Language) texts {
	if t, ok := read()[l]; ok {
		return t
	}
	return read()[lang.English]
}
