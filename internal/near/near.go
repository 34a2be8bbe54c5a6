// Package near finds what a mistyped word may have meant.
package near

import (
	"strings"

	"github.com/hbollon/go-edlib"

	"github.com/socbatch/socbatch/naming"
)

// longest is the length above which nothing is looked for.
const longest = 40

// Of finds the word that is closest to the typed one, in whatever case: short
// words may differ in one letter, long ones in two, a swap of neighbours being
// one. It reports false when none is so close.
func Of(typed string, among []string) (string, bool) {
	if len(typed) > longest {
		return "", false
	}
	maxDistance := 1
	if len(typed) > 3 {
		maxDistance = 2
	}
	best, found := "", false
	for _, w := range among {
		if d := edlib.OSADamerauLevenshteinDistance(strings.ToLower(typed), strings.ToLower(w)); d <= maxDistance && d < len(w) {
			best, maxDistance, found = w, d-1, true
		}
	}
	return best, found
}

// Application finds the known application whose code is closest to a mistyped
// one, in whatever case; it reports false when none is close.
func Application(code string) (naming.Application, bool) {
	best, bestDistance := naming.Application{}, 3
	if len(code) > 12 {
		return best, false
	}
	upper := strings.ToUpper(code)
	for _, a := range naming.Applications() {
		if d := edlib.OSADamerauLevenshteinDistance(upper, a.Code); d < bestDistance {
			best, bestDistance = a, d
		}
	}
	return best, bestDistance < 3
}
