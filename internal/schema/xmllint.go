package schema

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/readers"
	"github.com/socbatch/socbatch/internal/xmlstream"
)

const (
	maxFaults  = 100 // of one document
	maxMessage = 16 << 10
	maxNamed   = 8 // elements or values in one sentence
)

// What xmllint's exit codes say.
const (
	exitParse  = 1 // it cannot read the document
	exitSchema = 5 // it cannot use the schema
)

func (p *prepared) validate(ctx context.Context, program string, doc io.Reader) ([]declaration.Fault, error) {
	ctx, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	cmd := exec.CommandContext(ctx, program, "--noout", "--nonet", "--stream", "--schema", p.main, "-")
	cmd.Dir = p.dir
	cmd.Env = environment()
	source := &readers.KeepError{R: doc}
	cmd.Stdin = source
	cmd.WaitDelay = 10 * time.Second
	said, w := io.Pipe()
	cmd.Stderr = w
	t := &translator{vocabulary: p.say, full: func() { enough(errEnough) }}
	read := make(chan struct{})
	go func() {
		defer close(read)
		t.read(said)
	}()
	err := cmd.Run()
	_ = w.Close() // never fails
	<-read
	switch {
	case errors.Is(context.Cause(ctx), errEnough):
		return append(t.faults, fault(0, "there are more faults: correct these first")), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case cmd.ProcessState == nil:
		return nil, err
	}
	code := cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	switch {
	case source.Err != nil:
		return nil, source.Err
	case code < 0:
		return nil, problem.New("xmllint was ended by something else")
	case err != nil && !errors.As(err, &exit):
		return nil, err
	case code == exitParse:
		return append(t.faults, fault(0, "xmllint cannot read the whole file")), nil
	case code == exitSchema:
		return nil, &FileError{p.main, problem.New("xmllint cannot use it as a schema")}
	case code != 0 && len(t.faults) == 0:
		return nil, problem.New("xmllint ended with code %d and named no fault", code)
	}
	return t.faults, nil
}

var errEnough = errors.New("enough faults")

// environment has nothing that changes what xmllint reads or says.
func environment() []string {
	env := []string{"LC_ALL=C", "XML_CATALOG_FILES=", "SGML_CATALOG_FILES="}
	if runtime.GOOS == "windows" {
		for _, name := range []string{"SystemRoot", "PATH", "TEMP"} {
			env = append(env, name+"="+os.Getenv(name))
		}
	}
	return env
}

func fault(line int, format string, args ...any) declaration.Fault {
	return declaration.Fault{ID: declaration.NotValid, Line: line, Message: problem.New(format, args...)}
}

// translator reads what xmllint says. A value that it quotes may have several
// lines, and anything in them.
type translator struct {
	vocabulary
	faults []declaration.Fault
	full   func() // called once, when there are enough faults

	line    int
	message []byte // empty: none is begun
	last    struct {
		line    int
		element string
	}
}

var (
	headRE = regexp.MustCompile(`^-:(\d+): (?:element [^:]*: )?Schemas validity error : (.*)$`)
	bodyRE = regexp.MustCompile(`(?s)^Element '(?:\{[^}]*\})?([^']*)'(?:, attribute '(?:\{[^}]*\})?([^']*)')?: (.*)$`)
)

func (t *translator) read(r io.Reader) {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		text, more, err := b.ReadLine()
		if err != nil {
			break
		}
		line := string(text)
		for more && err == nil { // of a long line only its two ends are kept
			text, more, err = b.ReadLine()
			line = shorten(line + string(text))
		}
		m := headRE.FindStringSubmatch(line)
		if m == nil {
			if len(t.message) > 0 {
				t.message = []byte(shorten(string(t.message) + "\n" + line))
			}
			continue
		}
		t.finish()
		t.line, _ = strconv.Atoi(m[1])
		t.message = []byte(m[2])
	}
	t.finish()
	_, _ = io.Copy(io.Discard, r) // the writer must not be held up
}

func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return s[:maxMessage/4] + s[len(s)-maxMessage/2:]
}

func (t *translator) add(f declaration.Fault) {
	if len(t.faults) == maxFaults {
		t.full()
	}
	if len(t.faults) < maxFaults {
		t.faults = append(t.faults, f)
	}
}

// finish turns a complete message into a fault.
func (t *translator) finish() {
	text := strings.TrimSuffix(string(t.message), "\n- fails to validate")
	t.message = nil
	if text == "" {
		return
	}
	m := bodyRE.FindStringSubmatch(text)
	if m == nil {
		t.add(fault(t.line, "line %d: the file does not fit its schema here", t.line))
		return
	}
	element, attribute, rest := t.name(m[1]), m[2], m[3]
	// A value that breaks a limit is named a second time, as one of no type.
	if typeless.MatchString(rest) && t.last.line == t.line && t.last.element == element && len(t.faults) > 0 {
		return
	}
	t.last.line, t.last.element = t.line, element
	if attribute != "" {
		t.add(fault(t.line, "line %d, at attribute %s of element %s: %s", t.line, t.name(attribute), element, t.what(rest)))
		return
	}
	t.add(fault(t.line, "line %d, at element %s: %s", t.line, element, t.what(rest)))
}

// name is the name of an element or attribute of the document, which may be
// anything.
func (t *translator) name(s string) string {
	if t.vocabulary[s] {
		return s
	}
	return xmlstream.SafeName(s)
}

var typeless = regexp.MustCompile(`(?s)^'.*' is not a valid value of the (?:local )?(?:atomic|list|union) type(?: '([^']*)')?\.$`)

// facets are the limits of values: how xmllint ends its sentence, with the limit
// in quotes, and what is said instead. A value is quoted before all that.
var facets = map[string]struct {
	before, after string
	say           func(limit string) *problem.Error
}{
	"pattern":      {"' is not accepted by the pattern '", "'.", func(l string) *problem.Error { return problem.New("its value does not have the form %s", l) }},
	"maxInclusive": {"' is greater than the maximum value allowed ('", "').", func(l string) *problem.Error { return problem.New("its value is larger than %s", l) }},
	"maxExclusive": {"' must be less than '", "'.", func(l string) *problem.Error { return problem.New("its value is not less than %s", l) }},
	"minInclusive": {"' is less than the minimum value allowed ('", "').", func(l string) *problem.Error { return problem.New("its value is smaller than %s", l) }},
	"minExclusive": {"' must be greater than '", "'.", func(l string) *problem.Error { return problem.New("its value is not more than %s", l) }},
	"totalDigits":  {"' has more digits than are allowed ('", "').", func(l string) *problem.Error { return problem.New("its value has more digits than %s", l) }},
	"fractionDigits": {"' has more fractional digits than are allowed ('", "').", func(l string) *problem.Error {
		return problem.New("its value has more digits behind the point than %s", l)
	}},
	"length":    {"this differs from the allowed length of '", "'.", func(l string) *problem.Error { return problem.New("its value is not %s characters long", l) }},
	"minLength": {"this underruns the allowed minimum length of '", "'.", func(l string) *problem.Error { return problem.New("its value has fewer characters than %s", l) }},
	"maxLength": {"this exceeds the allowed maximum length of '", "'.", func(l string) *problem.Error { return problem.New("its value has more characters than %s", l) }},
}

// what says what xmllint said, without anything of the document.
func (t *translator) what(s string) *problem.Error {
	if rest, ok := strings.CutPrefix(s, "[facet '"); ok {
		name, rest, _ := strings.Cut(rest, "'")
		return t.limit(name, rest)
	}
	if m := typeless.FindStringSubmatch(s); m != nil {
		if name := local(m[1]); name != "" && (builtIn.MatchString(name) || t.vocabulary[name]) {
			return problem.New("its value is not of the type %s", name)
		}
		return problem.New("its value is not one that the schema allows")
	}
	expected, several := t.expected(s)
	switch {
	case strings.HasPrefix(s, "This element is not expected."):
		switch {
		case expected == "":
			return problem.New("it may not stand here, or not so often")
		case several:
			return problem.New("it may not stand here: one of %s is expected", expected)
		}
		return problem.New("it may not stand here: %s is expected", expected)
	case strings.HasPrefix(s, "Missing child element(s)."):
		switch {
		case expected == "":
			return problem.New("an element is missing in it")
		case several:
			return problem.New("an element is missing at its end: one of %s is expected", expected)
		}
		return problem.New("an element is missing at its end: %s is expected", expected)
	case strings.HasPrefix(s, "No matching global "):
		return problem.New("the schema does not know it: check whether the file names the right schema")
	case strings.HasPrefix(s, "Character content"):
		return problem.New("text may not stand directly in it")
	case strings.HasPrefix(s, "Element content is not allowed"):
		return problem.New("no elements may stand in it")
	case strings.HasPrefix(s, "The attribute '") && strings.HasSuffix(s, "' is not allowed."):
		return problem.New("the attribute may not stand here")
	case strings.HasPrefix(s, "The attribute '") && strings.HasSuffix(s, "' is required but missing."):
		return problem.New("an attribute is missing")
	}
	return problem.New("it does not fit the schema")
}

// limit says which limit a value breaks. The limit is named only as it stands in
// the schema files.
func (t *translator) limit(facet, s string) *problem.Error {
	if f, ok := facets[facet]; ok {
		if limit := between(s, f.before, f.after); t.vocabulary[limit] {
			return f.say(limit)
		}
	}
	if facet == "enumeration" {
		switch values, several := t.list(between(s, "' is not an element of the set {", "}."), "'"); {
		case several:
			return problem.New("its value is none of %s", values)
		case values != "":
			return problem.New("its value is not %s", values)
		}
	}
	return problem.New("its value is not one that the schema allows")
}

// between gives what stands between the last before and after at the end of s,
// or nothing.
func between(s, before, after string) string {
	i := strings.LastIndex(s, before)
	s, ok := strings.CutSuffix(s, after)
	if i < 0 || !ok || i+len(before) > len(s) {
		return ""
	}
	return s[i+len(before):]
}

var builtIn = regexp.MustCompile(`^xs:[A-Za-z]{1,30}$`)

// local is a name without the namespace that xmllint writes before it.
func local(name string) string { return name[strings.LastIndexByte(name, '}')+1:] }

// expected gives the elements at the end of "Expected is one of ( A, B ).".
func (t *translator) expected(s string) (names string, several bool) {
	var all []string
	for x := range strings.SplitSeq(between(s, "( ", " )."), ", ") {
		all = append(all, local(x))
	}
	return t.list(strings.Join(all, ", "), "")
}

// list names those of a list that stand in the schema files, if not too many.
func (t *translator) list(s, quote string) (names string, several bool) {
	var known []string
	for x := range strings.SplitSeq(s, ", ") {
		if x = strings.Trim(x, quote); t.vocabulary[x] && x != "" {
			known = append(known, x)
		}
	}
	if n := len(known); n > maxNamed {
		known = append(known[:maxNamed], "…")
	}
	return strings.Join(known, ", "), len(known) > 1
}
