package lang

import (
	"embed"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed catalogue/*.toml
var files embed.FS

// localizers read a catalogue when the first message is said in its language.
var localizers = func() map[Language]func() *i18n.Localizer {
	m := map[Language]func() *i18n.Localizer{}
	for _, l := range Languages()[1:] {
		m[l] = sync.OnceValue(func() *i18n.Localizer {
			b := i18n.NewBundle(language.English)
			b.RegisterUnmarshalFunc("toml", toml.Unmarshal)
			if _, err := b.LoadMessageFileFS(files, path(l)); err != nil {
				panic(err) // it is built in, and the tests read it
			}
			return i18n.NewLocalizer(b, string(l))
		})
	}
	return m
}()

func path(l Language) string { return "catalogue/" + string(l) + ".toml" }

// lookup finds the format of a text in a language. The key in the catalogues is
// the English without what it is indented with; of a count, that for one.
func (t Text) lookup(l Language) string {
	english, c := t.format, &i18n.LocalizeConfig{MessageID: Key(t.format)}
	if t.one != "" {
		c.MessageID, c.PluralCount = t.one, t.n
		if t.n == 1 {
			english = t.one
		}
	}
	localizer, ok := localizers[l]
	if !ok {
		return english
	}
	// An error may come with a text all the same: a language can have a form for
	// numbers that a catalogue does not treat apart.
	s, _ := localizer().Localize(c)
	if s == "" {
		return english
	}
	indent := english[:len(english)-len(Key(english))]
	return indent + s
}

// Key is what the catalogues know an English format by.
func Key(english string) string { return strings.TrimLeft(english, " ") }

// Catalogue gives the messages of a language as its file has them, for checks.
func Catalogue(l Language) ([]*i18n.Message, error) {
	data, err := files.ReadFile(path(l))
	if err != nil {
		return nil, err
	}
	file, err := i18n.ParseMessageFileBytes(data, path(l), map[string]i18n.UnmarshalFunc{"toml": toml.Unmarshal})
	if err != nil {
		return nil, err
	}
	return file.Messages, nil
}
