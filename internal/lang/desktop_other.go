//go:build !windows

package lang

// desktop gives the languages of the desktop; elsewhere the environment has it.
func desktop() []string { return nil }
