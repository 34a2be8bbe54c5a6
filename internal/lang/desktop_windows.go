package lang

import "golang.org/x/sys/windows"

// desktop gives the languages of the desktop, the preferred one first.
func desktop() []string {
	names, err := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	if err != nil {
		return nil // then English
	}
	return names
}
