package cli

import (
	"io"

	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/near"
	"github.com/socbatch/socbatch/internal/wording"
)

// loaded is a configuration that was read. It is read once, since it may come
// through a pipe.
type loaded struct {
	path   string // as it was asked for
	config config.Config
	file   string
	err    error
}

// load reads the configuration.
func (a *program) load(path string) (config.Config, string, error) {
	if a.loaded == nil || a.loaded.path != path {
		c, file, err := config.Load(path, a.getenv)
		a.loaded = &loaded{path, c, file, err}
	}
	return a.loaded.config, a.loaded.file, a.loaded.err
}

// chooseLanguage decides for --lang, else the configuration, else the locale.
// It comes before the command line is read in full, because help and what is
// wrong with the command line are said in the language too.
func (a *program) chooseLanguage(args []string) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	chosen := f.String("lang", "", "")
	path := f.String("config", "", "")
	f.BoolP("help", "h", false, "")
	f.BoolVar(&a.pauseAtEnd, "pause-at-end", false, "")
	_ = f.Parse(args) // the command does it again, and says what is wrong
	if l, ok := lang.Parse(*chosen); ok {
		a.ui.lang = l
		return
	}
	c, _, _ := a.load(*path) // as above
	if l, ok := lang.Parse(c.Language); ok {
		a.ui.lang = l
		return
	}
	a.ui.lang = lang.OfUser(a.getenv)
}

// checkLanguage refuses a --lang that the tool does not speak.
func (a *program) checkLanguage() error {
	if _, ok := lang.Parse(a.flags.lang); !ok && a.flags.lang != "" {
		for _, l := range lang.Languages() {
			if _, ok := near.Of(a.flags.lang, []string{l.Name(), l.EnglishName()}); ok {
				return usagef("--lang: %q is no language of socbatch: did you mean %s?", printable(a.flags.lang), string(l))
			}
		}
		return usagef("--lang: %q is no language of socbatch: use en, nl, fr or de", printable(a.flags.lang))
	}
	return nil
}

// text is something to say to a person.
func text(format string, args ...any) lang.Text { return wording.Text(format, args...) }

// count is a number of things.
func count(n int, one, other string) lang.Text { return wording.Count(n, one, other) }

func printable(s string) string { return wording.Printable(s) }
