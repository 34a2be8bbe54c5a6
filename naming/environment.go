package naming

// Environment says for which of the office's systems a file is meant.
type Environment string

// The three environments.
const (
	Production      Environment = "R" // real declarations
	Test            Environment = "T" // circuit test (DmfA), simulation (Dimona, ASR, temporary unemployment)
	DeclarationTest Environment = "S" // declaration test, DmfA applications only
)

// Environments lists every environment, production first.
func Environments() []Environment { return []Environment{Production, Test, DeclarationTest} }

// ParseEnvironment accepts exactly R, T or S.
func ParseEnvironment(s string) (Environment, error) {
	e := Environment(s)
	if !e.Valid() {
		return "", problemf("environment %q does not exist: use R (production), T (test) or S (DmfA declaration test)", s)
	}
	return e, nil
}

// Valid reports whether e is R, T or S.
func (e Environment) Valid() bool {
	return e == Production || e == Test || e == DeclarationTest
}

// Inbox is the folder, below the login directory, that files of this
// environment are sent to; empty for an environment that does not exist.
func (e Environment) Inbox() string {
	switch e {
	case Production:
		return "IN"
	case Test:
		return "INTEST"
	case DeclarationTest:
		return "INTEST-S"
	}
	return ""
}

// Outbox is the folder, below the login directory, in which the replies of
// this environment appear; empty for an environment that does not exist.
func (e Environment) Outbox() string {
	switch e {
	case Production:
		return "OUT"
	case Test:
		return "OUTTEST"
	case DeclarationTest:
		return "OUTTEST-S"
	}
	return ""
}

// Meaning names the environment in plain words.
func (e Environment) Meaning() string {
	switch e {
	case Production:
		return "production"
	case Test:
		return "test"
	case DeclarationTest:
		return "DmfA declaration test"
	}
	return "unknown environment"
}

// RequiresSignature reports whether the server wants an FS beside every FI.
// Source: the manual asks for one in production and for none elsewhere.
func (e Environment) RequiresSignature() bool { return e == Production }

// folderFault is the error id for a file of this environment in another
// folder than its own.
func (e Environment) folderFault() string {
	switch e {
	case Production:
		return "ACRF-118"
	case Test:
		return "ACRF-119"
	}
	return "ACRF-257"
}
