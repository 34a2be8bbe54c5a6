package inbox

import (
	"io"
	"path/filepath"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/problem"
	"github.com/socbatch/socbatch/internal/reply"
	"github.com/socbatch/socbatch/naming"
)

// Reply says that a file is one of the office, and not one to send: a receipt,
// a notification or the like. Replies hold data of other people too.
type Reply struct {
	Application string // code; empty where it is not known
	Kind        reply.Kind
	Named       bool // its name says so, whatever is in it
}

// ReplyError says that a file was not sent because it is a reply.
type ReplyError struct {
	Path string
	Reply
}

func (e *ReplyError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *ReplyError) Said() (format string, args []any) { return e.problem().Said() }

func (e *ReplyError) problem() *problem.Error {
	a, known := naming.LookupApplication(e.Application)
	switch meaning := problem.Word(a.Meaning); {
	case e.Named && known:
		return problem.New("by its name it belongs to a reply of the social security (%s, %s), and is no declaration", a.Code, meaning)
	case e.Named:
		return problem.New("by its name it belongs to a reply of the social security (%s), and is no declaration", e.Application)
	case known:
		return problem.New("it is a reply of the social security (%s, %s), not a declaration", a.Code, meaning)
	}
	return problem.New("it is a reply of the social security, not a declaration: its forms say what they answer")
}

// Meant reports whether a person who names an application for a file means that
// reply: there are flows in which a receipt is sent. Nothing but --app says so;
// an application in the configuration is said of whatever comes.
func (r *Reply) Meant(application string) bool {
	if r.Application == "" { // what it answers is not known, so it may be anything
		return application != ""
	}
	return application == r.Application
}

// ReplyByName tells whether a file is named as the office names its replies.
func ReplyByName(path string) *Reply {
	application, ok := naming.ReplyName(filepath.Base(path))
	if !ok {
		return nil
	}
	return &Reply{Application: application, Kind: kindOf(application), Named: true}
}

// replyOf tells whether a file is a reply: by its root element, or, where that
// is one of declarations too, or is not known, by the Identification of its forms
// and by their saying what they answer. Of those that are no XML nothing can be
// told.
func replyOf(info declaration.Info) *Reply {
	sent, received := false, ""
	for _, a := range naming.ApplicationsForRoot(info.Root) {
		if a.Direction == naming.Sent {
			sent = true
		} else {
			received = a.Code
		}
	}
	switch {
	case received != "" && !sent:
		return &Reply{Application: received, Kind: kindOf(received)}
	case sent && received == "":
		return nil
	}
	if k := reply.KindOf(info.Root); k != reply.Other {
		return &Reply{Application: applicationOfKind(k), Kind: k}
	}
	for _, code := range info.Codes() {
		if application, d, _ := naming.LookupIdentification(code); d == naming.Received {
			return &Reply{Application: application, Kind: kindOf(application)}
		}
	}
	if info.Answers > 0 {
		return &Reply{}
	}
	return nil
}

// kindOf is what the files of an application are, by its root elements.
func kindOf(application string) reply.Kind {
	a, _ := naming.LookupApplication(application)
	for _, root := range a.Roots {
		if k := reply.KindOf(root); k != reply.Other {
			return k
		}
	}
	return reply.Other
}

// applicationOfKind is the application whose files are of a kind; empty where
// there are several.
func applicationOfKind(k reply.Kind) (code string) {
	for _, a := range naming.Applications() {
		if a.Direction != naming.Received || kindOf(a.Code) != k {
			continue
		}
		if code != "" {
			return ""
		}
		code = a.Code
	}
	return code
}

// maxInside is how much of a compressed file is looked at: the root element and
// the first forms tell what it is.
const maxInside = 1 << 20

// insideOf looks into a file that is no XML: it may be a compressed reply.
func insideOf(file io.ReaderAt, size int64) *Reply {
	content, packed, err := reply.Open("", file, size)
	if err != nil {
		return nil
	}
	defer content.Close() //nolint:errcheck // only read
	if packed.Container == reply.Plain {
		return nil
	}
	// What comes after the part that is read, and what is wrong with the rest,
	// does not matter.
	info, _ := declaration.Inspect(io.LimitReader(content, maxInside), declaration.Options{KeepForms: -1})
	if r := replyOf(info); r != nil {
		return r
	}
	return ReplyByName(packed.Entry)
}
