//go:build !windows

package outgoing

import (
	"os"
	"strings"
)

// forNotepad is set where people open notes with it.
const forNotepad = false

// hidden reports whether people usually do not see a file.
func hidden(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }

// BusyError reports whether an error says that another program has a file open.
func BusyError(error) bool { return false }
