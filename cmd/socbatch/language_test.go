package main

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

	"github.com/socbatch/socbatch/inbox"
	"github.com/socbatch/socbatch/internal/answers"
	"github.com/socbatch/socbatch/internal/lang"
	"github.com/socbatch/socbatch/internal/ledger"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// speakers are the functions that say something, and which of their arguments
// are formats in English.
var speakers = map[string][]int{
	"text": {0}, "say": {0}, "warn": {0}, "hint": {0}, "result": {0}, "count": {1}, "Word": {0},
	"usagef": {0}, "errorf": {0}, "credentialf": {1},
}

// message is something that is said.
type message struct {
	at    string // where
	other string // for several; empty where nothing is counted
}

// said collects everything that the command says to a person, by its key.
func said(t *testing.T, files []string) map[string]message {
	t.Helper()
	found := map[string]message{}
	add := func(at, english string) {
		if key := lang.Key(english); letters.MatchString(verbs.ReplaceAllString(key, "")) {
			found[key] = message{at: at}
		}
	}
	set := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				for _, i := range speakers[nameOf(x.Fun)] {
					english, ok := constantText(x.Args, i)
					if !ok {
						continue
					}
					add(set.Position(x.Pos()).String(), english)
					if other, ok := constantText(x.Args, i+1); ok && nameOf(x.Fun) == "count" {
						found[english] = message{set.Position(x.Pos()).String(), other}
					}
				}
			case *ast.CompositeLit: // the titles of a table
				if list, ok := x.Type.(*ast.ArrayType); ok && nameOf(list.Elt) == "column" {
					for _, c := range x.Elts {
						if lit, ok := c.(*ast.CompositeLit); ok {
							title, _ := constantText(lit.Elts, 0)
							add(set.Position(c.Pos()).String(), title)
						}
					}
				}
			}
			return true
		})
	}
	for _, word := range tableWords() {
		add("a table of words", word)
	}
	return found
}

// tableWords are the words for codes that stand in tables of other packages.
func tableWords() []string {
	words := []string{
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
	for _, err := range sentinels {
		words = append(words, err.Error())
	}
	for _, x := range naming.Environments() {
		words = append(words, x.Meaning())
	}
	for k := reply.Other + 1; k <= reply.ConsultationAnswer; k++ {
		words = append(words, k.String())
	}
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

// constantText is the value of a string constant, also of a sum of some.
func constantText(args []ast.Expr, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	switch x := args[i].(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			return constant.StringVal(constant.MakeFromLiteral(x.Value, x.Kind, 0)), true
		}
	case *ast.BinaryExpr:
		a, ok := constantText([]ast.Expr{x.X}, 0)
		b, ok2 := constantText([]ast.Expr{x.Y}, 0)
		return a + b, ok && ok2
	}
	return "", false
}

var (
	verbs   = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*\d*[a-zA-Z%]`)
	letters = regexp.MustCompile(`\pL`)
)

// sameAsEnglish are texts that another language has too.
var sameAsEnglish = map[lang.Language][]string{
	lang.Dutch:  {"%s, %d bytes", "--app: %s", "socbatch %s (%s, %s/%s)", "test", "ticket", "tickets"},
	lang.French: {"Signature", "application", "date", "notification", "production", "signature", "socbatch %s (%s, %s/%s)", "test", "ticket", "tickets"},
	lang.German: {"--app: %s", "socbatch %s (%s, %s/%s)"},
}

// Every message is in every language, with the same arguments, and nothing is
// there that nobody says.
func TestCatalogues(t *testing.T) {
	t.Parallel()
	used := said(t, spokenFiles(t))
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
		if f == key && !slices.Contains(sameAsEnglish[l], key) {
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

func spokenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(f string) bool {
		return strings.HasSuffix(f, "_test.go")
	})
}
