package cli

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/config"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// speakers are the functions that say something, and which of their arguments
// are formats in English, for each directory.
var speakers = map[string]map[string]int{
	".": {
		"text": 0, "passage": 0, "say": 0, "warn": 0, "hint": 0, "result": 0, "count": 1, "Word": 0,
		"ask": 0, "usagef": 0, "errorf": 0, "credentialf": 1, "problem.New": 0, "c.fault": 1, "c.warning": 1, "first.fault": 1,
	},
	"../../internal/wording":       {"Text": 0, "hint": 0, "Word": 0},
	"../../naming":                 {"problemf": 0, "add": 1, "warn": 1, "unknown": 0},
	"../../sign":                   {},
	"../../inbox":                  {"problem.New": 0},
	"../../outbox":                 {"problem.New": 0},
	"../../transport":              {},
	"../../internal/app":           {"problem.New": 0, "usagef": 0, "T": 0, "N": 1},
	"../../internal/archive":       {"problem.New": 0},
	"../../internal/config":        {"problem.New": 0, "bad": 1},
	"../../internal/declaration":   {"fault": 2, "warn": 1, "Word": 0, "problem.New": 0},
	"../../internal/schema":        {"fault": 1, "problem.New": 0},
	"../../internal/doctor":        {"problem.New": 0, "fine": 0, "skip": 0, "found": 1, "fix": 0, "Word": 0},
	"../../internal/identity":      {"problem.New": 0, "T": 0},
	"../../internal/ledger":        {"problem.New": 0},
	"../../internal/ledger/sqlite": {"problem.New": 0},
	"../../internal/lock":          {"problem.New": 0},
	"../../internal/seal":          {"problem.New": 0},
	"../../internal/secret":        {"problem.New": 0},
	"../../transport/hostkey":      {"problem.New": 0},
	"../../transport/proxy":        {"problem.New": 0},
	"../../transport/sshkey":       {"problem.New": 0, "Found": 0, "Hint": 0},
	"../../internal/wire":          {"problem.New": 0, "T": 0},
	"../../internal/xmlstream":     {"Problem": 0},
}

// technical are sentences of errors that stay English: details that are said with
// what they are about, and what no person meets.
var technical = []string{
	"session is closed", "ledger is closed", "unsafe file name", "to be done once more, with care", "the server gave one handle to several files",
	"the keyring does not have it", "the configuration file cannot be changed by a program", "no signing identity", "not a usable SSH key",
	"a proxy begins with socks5://, http:// or https://", "a proxy is written as socks5://host:port", "a password does not belong into the address of the proxy",
	"data after the signature", "unsupported signature version", "signature has no signer", "signature has several signers",
	"signer not identified by issuer and serial number", "signature is not detached", "content type is not data", "signed attributes missing",
	"signed attributes invalid", "unsigned attributes not allowed", "revocation lists not allowed", "signer is not the registered certificate",
	"no trusted roots configured", "empty document", "not an XML document", "not well-formed XML", "elements nested too deeply",
	"part of the document too large", "document type declaration not allowed", "character encoding not supported",
}

// message is something that is said.
type message struct {
	at    string // where
	other string // for several; empty where nothing is counted
}

// said collects everything that the command says to a person, by its key.
func said(t *testing.T) map[string]message {
	t.Helper()
	found := map[string]message{}
	add := func(at, english string) {
		if key := lang.Key(english); letters.MatchString(verbs.ReplaceAllString(key, "")) {
			found[key] = message{at: at}
		}
	}
	for dir, functions := range speakers {
		set := token.NewFileSet()
		files := sources(t, set, dir)
		constants := constantsOf(files)
		for _, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				if n == nil {
					return true
				}
				at := set.Position(n.Pos()).String()
				switch x := n.(type) {
				case *ast.CallExpr:
					i, ok := functions[nameOf(x.Fun)]
					if !ok {
						i, ok = functions[qualifiedNameOf(x.Fun)]
					}
					english, isText := constants.text(x.Args, i)
					if !ok || !isText {
						break
					}
					add(at, english)
					if other, ok := constants.text(x.Args, i+1); ok && slices.Contains([]string{"count", "N"}, nameOf(x.Fun)) {
						found[english] = message{at, other}
					}
				case *ast.KeyValueExpr: // a field that is a word
					if _, ok := functions[nameOf(x.Key)]; ok {
						if english, ok := constants.text([]ast.Expr{x.Value}, 0); ok {
							add(at, english)
						}
					}
				case *ast.FuncDecl: // a method that gives the format of an error
					if x.Name.Name == "Said" {
						ast.Inspect(x, func(n ast.Node) bool {
							if r, ok := n.(*ast.ReturnStmt); ok {
								english, _ := constants.text(r.Results, 0)
								add(at, english)
							}
							return true
						})
					}
				case *ast.ValueSpec: // a sentinel, or a constant of a type whose values are words
					if english, ok := sentinel(constants, x); ok {
						add(at, english)
					}
					if _, ok := functions[nameOf(x.Type)]; ok {
						english, _ := constants.text(x.Values, 0)
						add(at, english)
					}
				case *ast.CompositeLit: // the titles of a table, or a map of words
					if m, ok := x.Type.(*ast.MapType); ok {
						if _, ok := functions[nameOf(m.Value)]; ok {
							for _, e := range x.Elts {
								english, _ := constants.text([]ast.Expr{e.(*ast.KeyValueExpr).Value}, 0)
								add(at, english)
							}
						}
					}
					if list, ok := x.Type.(*ast.ArrayType); ok && nameOf(list.Elt) == "column" {
						for _, c := range x.Elts {
							if lit, ok := c.(*ast.CompositeLit); ok {
								title, _ := constants.text(lit.Elts, 0)
								add(at, title)
							}
						}
					}
				}
				return true
			})
		}
	}
	for _, word := range tableWords() {
		add("a table of words", word)
	}
	for _, word := range helpWords() {
		add("help", word)
	}
	return found
}

// sentinel gives the sentence of an exported error that says all in one.
func sentinel(c constants, v *ast.ValueSpec) (string, bool) {
	if len(v.Names) != 1 || !strings.HasPrefix(v.Names[0].Name, "Err") || len(v.Values) != 1 {
		return "", false
	}
	call, ok := v.Values[0].(*ast.CallExpr)
	if !ok || qualifiedNameOf(call.Fun) != "errors.New" {
		return "", false
	}
	english, ok := c.text(call.Args, 0)
	return english, ok && !slices.Contains(technical, english)
}

// sources parses the files of a package that are no tests.
func sources(t *testing.T, set *token.FileSet, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(names), err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// tableWords are the words for codes that stand in tables of other packages.
func tableWords() []string {
	words := []string{
		inbox.NoteAsked, inbox.NoteNoGO, inbox.NoteTaken, inbox.NoteWaiting,
		ledger.ByFileName, ledger.ByTicket, ledger.ByReference, ledger.ByMoment,
		string(naming.Sent), string(naming.Received),
		answers.SignatureNone, answers.SignatureNotChecked,
		ledger.OutcomeAccepted, ledger.OutcomeRemarks, ledger.OutcomeRefused, ledger.OutcomeToValidate, ledger.OutcomeUnknown,
	}
	for _, s := range inbox.States() {
		words = append(words, string(s))
	}
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "-", " ")
	}
	for _, x := range naming.Applications() {
		words = append(words, x.Meaning)
	}
	for _, k := range []naming.Kind{naming.FI, naming.FS, naming.GO, naming.TD, naming.FO, naming.CO} {
		words = append(words, k.Meaning())
	}
	for _, x := range naming.Environments() {
		words = append(words, x.Meaning())
	}
	for k := reply.Other + 1; k <= reply.ConsultationAnswer; k++ {
		words = append(words, k.String())
	}
	return words
}

// helpWords are the texts of the help.
func helpWords() []string {
	var words []string
	for _, x := range exitCodes {
		words = append(words, x.means)
		if x.do != "" {
			words = append(words, x.do)
		}
	}
	for _, v := range config.Variables() {
		if strings.Contains(v.Sets, " ") { // else it is the key of a setting
			words = append(words, v.Sets)
		}
	}
	a := &program{ui: &ui{lang: lang.English}, getenv: func(string) string { return "" }}
	root := newRootCmd(a)
	for _, g := range root.Groups() {
		words = append(words, g.Title)
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		words = append(words, c.Short)
		for _, p := range splitPassages(c.Long) {
			if p != c.Short+"." {
				words = append(words, p)
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "config" { // its default is the machine's
				words = append(words, f.Usage)
			}
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return words
}

func nameOf(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// qualifiedNameOf is the name of a function with its package.
func qualifiedNameOf(e ast.Expr) string {
	if x, ok := e.(*ast.SelectorExpr); ok {
		return nameOf(x.X) + "." + x.Sel.Name
	}
	return ""
}

// constants are the string constants of a package.
type constants map[string]ast.Expr

func constantsOf(files []*ast.File) constants {
	c := constants{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
						for i, name := range v.Names {
							c[name.Name] = v.Values[i]
						}
					}
				}
			}
			return true
		})
	}
	return c
}

// text is the value of a constant string: written out, named, or a sum.
func (c constants) text(args []ast.Expr, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	switch x := args[i].(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			return constant.StringVal(constant.MakeFromLiteral(x.Value, x.Kind, 0)), true
		}
	case *ast.Ident:
		if value, ok := c[x.Name]; ok {
			return c.text([]ast.Expr{value}, 0)
		}
	case *ast.BinaryExpr:
		a, ok := c.text([]ast.Expr{x.X}, 0)
		b, ok2 := c.text([]ast.Expr{x.Y}, 0)
		return a + b, ok && ok2
	}
	return "", false
}

var (
	verbs       = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*\d*[a-zA-Z%]`)
	placeholder = regexp.MustCompile("`.*?`") // the value of a flag
	letters     = regexp.MustCompile(`\pL`)
)

// sameAsEnglish are texts that a language shares with English, sameEverywhere
// those that all have.
var (
	sameAsEnglish = map[lang.Language][]string{
		lang.Dutch: {"%d bytes", "%d MB", "%d argument", "%s, %d bytes", "--app: %s", "proxy %s: %s", "proxy %s: %s: %s", "test", "ticket", "tickets"},
		lang.French: {
			"%d argument", "Signature", "application", "configuration", "configuration %s", "configuration %s:%d", "date", "notification", "production",
			"signature", "test", "ticket", "tickets",
		},
		lang.German: {"%d MB", "--app: %s"},
	}
	sameEverywhere = []string{
		"ok", "chmod 600 %s", "chmod 700 %s", "chmod go-w %s",
		"socbatch %s (%s, %s/%s)",
		"openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEYFILE -out NEWFILE",
		"openssl pkey -in KEYFILE -out NEWFILE",
	}
)

// Every message is in every language, with the same arguments, and nothing is
// there that nobody says.
func TestCatalogues(t *testing.T) {
	t.Parallel()
	used := said(t)
	for _, l := range lang.Languages()[1:] {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			list, err := lang.Catalogue(l)
			if err != nil {
				t.Fatal(err)
			}
			have := map[string]*i18n.Message{}
			for _, m := range list {
				have[m.ID] = m
			}
			for _, key := range slices.Sorted(maps.Keys(used)) {
				m, ok := have[key]
				if !ok {
					t.Errorf("%s: not translated: %q", used[key].at, key)
					continue
				}
				checkTranslation(t, l, key, used[key], m)
			}
			for key := range have {
				if _, ok := used[key]; !ok {
					t.Errorf("nobody says %q", key)
				}
			}
		})
	}
}

func checkTranslation(t *testing.T, l lang.Language, key string, want message, m *i18n.Message) {
	t.Helper()
	forms := []string{m.Other}
	if want.other != "" {
		forms = append(forms, m.One)
	} else if m.One != "" {
		t.Errorf("%q counts nothing", key)
	}
	for _, f := range forms {
		if f == "" {
			t.Errorf("%q has an empty form", key)
		}
		if !slices.Equal(arguments(f), arguments(key)) {
			t.Errorf("%q has other arguments in %q", key, f)
		}
		if !slices.Equal(placeholder.FindAllString(f, -1), placeholder.FindAllString(key, -1)) {
			t.Errorf("%q names the value otherwise in %q", key, f)
		}
		if f == key && !slices.Contains(sameAsEnglish[l], key) && !slices.Contains(sameEverywhere, key) {
			t.Errorf("%q is not translated, or misses among those that are the same", key)
		}
	}
}

// arguments lists the verbs of a format with the arguments that they take.
func arguments(format string) []string {
	var list []string
	next := 1
	for _, v := range verbs.FindAllString(format, -1) {
		if strings.HasSuffix(v, "%") {
			continue
		}
		if i := strings.Index(v, "]"); i > 0 {
			_, _ = fmt.Sscanf(v, "%%[%d]", &next)
			v = "%" + v[i+1:]
		}
		list = append(list, fmt.Sprintf("%d %s", next, v))
		next++
	}
	slices.Sort(list)
	return list
}
