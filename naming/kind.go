package naming

// Kind is the first field of a name: what the file is.
type Kind string

// The kinds of files on the channel.
const (
	FI Kind = "FI" // a declaration that is sent, one file per part
	FS Kind = "FS" // the signature of one FI, or of one received FO or CO
	GO Kind = "GO" // empty: the set is complete, process it
	TD Kind = "TD" // empty, named like the GO: cancels the set
	FO Kind = "FO" // a file that is received
	CO Kind = "CO" // a compressed file that is received
)

// Kinds lists every kind in the order of the manual.
func Kinds() []Kind { return []Kind{FI, FS, GO, TD, FO, CO} }

// fieldCounts says with how many fields a name of a kind occurs. Eight and
// seven fields are today's forms; six is the form of most replies and the old
// form of the ASR applications.
func (k Kind) fieldCounts() []int {
	switch k {
	case FI, FO, CO:
		return []int{6, 8}
	case FS, GO:
		return []int{6, 7, 8}
	case TD:
		return []int{6, 7}
	}
	return nil
}

// sentFieldCounts says how many fields a name of a kind has on a file that is
// sent: FS and GO occur in more forms beside a received file than beside a
// declaration. It is empty for the kinds that are only received.
func (k Kind) sentFieldCounts() []int {
	switch k {
	case FI, FS:
		return []int{6, 8}
	case GO, TD:
		return []int{6, 7}
	}
	return nil
}

// Valid reports whether k is one of the six kinds.
func (k Kind) Valid() bool { return k.fieldCounts() != nil }

// Meaning says in a few words what a file of this kind is.
func (k Kind) Meaning() string {
	switch k {
	case FI:
		return "declaration to send"
	case FS:
		return "signature"
	case GO:
		return "go-ahead: the set is complete"
	case TD:
		return "cancels a set"
	case FO:
		return "reply"
	case CO:
		return "compressed reply"
	}
	return "unknown kind"
}

// structureFault is the error id that the server answers when the form of a
// name of this kind is wrong.
func (k Kind) structureFault() string {
	switch k {
	case GO, TD:
		return "ACRF-107"
	case FS:
		return "ACRF-132"
	}
	return "ACRF-131"
}
