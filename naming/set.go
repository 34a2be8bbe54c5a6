package naming

// MaxParts is the largest number of parts that a name can carry. The server
// has a lower limit that is not published.
const MaxParts = 9

// OfficeSender is the sender number of the office in its replies.
const OfficeSender = "999999"

// Set is what is sent together: the parts of one declaration, their
// signatures and the GO.
type Set struct {
	Application string
	Sender      string
	Date        Date
	Sequence    Sequence
	Environment Environment
	Parts       int // 1-9
}

// Check reports the first reason why no valid names can be built from s.
func (s Set) Check() error {
	if !applicationForm(s.Application) {
		return problemf("application %q is not four capital letters", s.Application)
	}
	if err := CheckSender(s.Sender); err != nil {
		return err
	}
	if _, err := ParseDate(string(s.Date)); err != nil {
		return err
	}
	if _, err := ParseSequence(string(s.Sequence)); err != nil {
		return err
	}
	if _, err := ParseEnvironment(string(s.Environment)); err != nil {
		return err
	}
	if s.Parts < 1 || s.Parts > MaxParts {
		return problemf("number of parts %d is not from 1 to %d", s.Parts, MaxParts)
	}
	return nil
}

// CheckSender accepts a sender number that can send: 000001 to 999998.
func CheckSender(sender string) error {
	switch {
	case !digits(sender, 6):
		return problemf("sender number %q is not six digits (fill up with zeros on the left)", sender)
	case sender == "000000":
		return problemf("sender number 000000 does not exist")
	case sender == OfficeSender:
		return problemf("sender number %s is the office itself", OfficeSender)
	}
	return nil
}

func (s Set) name(k Kind, part int) Name {
	return Name{
		Kind: k, Application: s.Application, Sender: s.Sender, Date: s.Date,
		Sequence: s.Sequence, Environment: s.Environment, Parts: s.Parts, Part: part,
	}
}

// FI is the name of a part, counted from 1, in the eight-field form.
func (s Set) FI(part int) Name { return s.name(FI, part) }

// FS is the name of the signature of a part, counted from 1.
func (s Set) FS(part int) Name { return s.name(FS, part) }

// GO is the name of the empty file that completes the set.
func (s Set) GO() Name { return s.name(GO, 0) }

// TD is the name of the empty file that cancels the set.
func (s Set) TD() Name { return s.name(TD, 0) }

// Key identifies the set; see [Name.SetKey].
func (s Set) Key() string { return s.GO().SetKey() }

// String is the name of the set as people meet it: that of its GO without the
// kind.
func (s Set) String() string { return s.GO().String()[len("GO."):] }

// Inbox is the folder that the set is sent to.
func (s Set) Inbox() string { return s.Environment.Inbox() }

// Outbox is the folder in which the replies to the set appear.
func (s Set) Outbox() string { return s.Environment.Outbox() }
