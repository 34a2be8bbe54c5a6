// Package lang lets the tool speak English, Dutch, French and German.
//
// The English of a message stands where it is said, and is its key in the
// catalogues of the other languages. A message without a translation is said
// in English.
package lang

import (
	"fmt"
	"slices"
	"strings"
)

// Language is one that the tool speaks, as ISO 639-1 writes it.
type Language string

// The languages.
const (
	English Language = "en"
	Dutch   Language = "nl"
	French  Language = "fr"
	German  Language = "de"
)

// Languages lists them, the default first.
func Languages() []Language { return []Language{English, Dutch, French, German} }

// Name is what its speakers call the language.
func (l Language) Name() string {
	return map[Language]string{English: "English", Dutch: "Nederlands", French: "français", German: "Deutsch"}[l]
}

// EnglishName is the name of the language in English.
func (l Language) EnglishName() string {
	return map[Language]string{English: "English", Dutch: "Dutch", French: "French", German: "German"}[l]
}

// Parse accepts en, nl, fr and de.
func Parse(s string) (Language, bool) {
	l := Language(s)
	return l, slices.Contains(Languages(), l)
}

// OfLocale gives the language of a locale such as nl_BE.UTF-8 or de-BE.
func OfLocale(locale string) (Language, bool) {
	name, _, _ := strings.Cut(strings.ToLower(locale), ".")
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(strings.ReplaceAll(name, "_", "-"), "-")
	return Parse(name)
}

// OfUser gives the language of the person: that of the first of LC_ALL,
// LC_MESSAGES and LANG that is set, on Windows else that of the desktop.
// English where the tool does not speak it.
func OfUser(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := getenv(name); locale != "" {
			if l, ok := OfLocale(locale); ok {
				return l
			}
			return English
		}
	}
	for _, locale := range desktop() {
		if l, ok := OfLocale(locale); ok {
			return l
		}
	}
	return English
}

// Text is something to say: a format of package fmt and its arguments, or a
// count of things. Arguments that are Texts are said in the same language.
// The zero Text is empty.
type Text struct {
	format string
	one    string // for a count of one; empty where nothing is counted
	n      int
	args   []any
	plain  bool // said as it is
}

// T is a text with a format as fmt.Sprintf takes it. A translation may use the
// arguments in another order: %[2]s.
func T(format string, args ...any) Text {
	if false {
		_ = fmt.Sprintf(format, args...) // lets go vet check the arguments
	}
	return Text{format: format, args: args}
}

// N is a count of things: both formats have one %d for it.
func N(n int, one, other string) Text {
	return Text{format: other, one: one, n: n, args: []any{n}}
}

// Word is a fixed text that stands in a table, such as the meaning of a code.
func Word(english string) Text { return Text{format: english} }

// Plain is a text that is the same in every language, such as a name or the
// detail of a technical error.
func Plain(s string) Text { return Text{format: s, plain: true} }

// Empty reports whether there is nothing to say.
func (t Text) Empty() bool { return t.format == "" }

// String says the text in English.
func (t Text) String() string { return t.In(English) }

// MarshalText writes the text in English: what is for programs does not change
// with the language.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// In says the text in a language.
func (t Text) In(l Language) string {
	if t.plain || t.format == "" {
		return t.format
	}
	format := t.lookup(l)
	if len(t.args) == 0 {
		return format
	}
	args := make([]any, len(t.args))
	for i, a := range t.args {
		if inner, ok := a.(Text); ok {
			a = inner.In(l)
		}
		args[i] = a
	}
	return fmt.Sprintf(format, args...)
}
