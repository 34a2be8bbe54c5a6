package contract

import "time"

// Results of commands as a whole: the objects that --json prints.
type (
	// Failure is the result of a command that failed and has nothing else to tell.
	Failure struct {
		Error Error `json:"error"`
	}
	// Submit is the result of submit, or with DryRun what it would be.
	Submit struct {
		DryRun      bool       `json:"dry_run,omitempty"`
		Submissions []Sent     `json:"submissions"`
		Left        []LeftFile `json:"left,omitempty"`
		Error       *Error     `json:"error,omitempty"`
	}
	// Submissions are sets: what status found, what resume finished.
	Submissions struct {
		Submissions []*Submission `json:"submissions"`
		Error       *Error        `json:"error,omitempty"`
	}
	// OneSubmission is a set that a person decided about.
	OneSubmission struct {
		Submission *Submission `json:"submission"`
	}
	// StoredReplies are replies of the archive.
	StoredReplies struct {
		Replies []*StoredReply `json:"replies"`
	}
	// ShownReplies are replies with their forms.
	ShownReplies struct {
		Replies []ShownReply `json:"replies"`
	}
	// Check is the result of check.
	Check struct {
		Files []Checked `json:"files"`
		Error *Error    `json:"error,omitempty"`
	}
	// Doctor is the result of the check-up.
	Doctor struct {
		Checks   []DoctorCheck `json:"checks"`
		Failed   int           `json:"failed"`
		Warnings int           `json:"warnings"`
		Error    *Error        `json:"error,omitempty"`
	}
	// Sealed is what was encrypted.
	Sealed struct {
		Declarations int `json:"declarations"`
		Replies      int `json:"replies"`
	}
	// Report is the page that was written.
	Report struct {
		File        string `json:"file"`
		Submissions int    `json:"submissions"`
	}
	// Codes are error codes with their texts.
	Codes struct {
		Codes []Code `json:"codes"`
	}
)

// Names of files.
type (
	// Applications are all that are known.
	Applications struct {
		Applications []Application `json:"applications"`
	}
	// Application is one of them.
	Application struct {
		Code            string   `json:"code"`
		Meaning         string   `json:"meaning"`
		Direction       string   `json:"direction"`
		Roots           []string `json:"roots"`
		Environments    []string `json:"environments"`
		Identifications []string `json:"identifications"`
	}
	// BuiltNames are the names of the files of a set.
	BuiltNames struct {
		Set       string   `json:"set"`
		Folder    string   `json:"folder"`
		RepliesIn string   `json:"replies_in"`
		Names     []string `json:"names"`
		Cancel    string   `json:"cancel"` // the file that takes the set back
	}
	// Names are names that were looked at.
	Names struct {
		Names []Name `json:"names"`
		Error *Error `json:"error,omitempty"`
	}
	// Name is one of them.
	Name struct {
		Name        string      `json:"name"`
		Known       bool        `json:"known"`
		Reason      string      `json:"reason,omitempty"`
		Kind        string      `json:"kind,omitempty"`
		Application string      `json:"application,omitempty"`
		Sender      string      `json:"sender,omitempty"`
		Date        string      `json:"date,omitempty"`
		Sequence    string      `json:"sequence,omitempty"`
		Environment string      `json:"environment,omitempty"`
		Parts       int         `json:"parts,omitempty"`
		Part        int         `json:"part,omitempty"`
		Faults      []NameFault `json:"faults"`
	}
	// NameFault is one thing that is wrong with a name, or a doubt about it.
	NameFault struct {
		ID      string `json:"id,omitempty"`
		Warning bool   `json:"warning,omitempty"`
		Text    string `json:"text"`
	}
)

// Signatures and certificates.
type (
	// Signatures are the signature files that were written.
	Signatures struct {
		Signatures []Signature `json:"signatures"`
	}
	// Signature is one of them.
	Signature struct {
		File   string `json:"file"`
		FS     string `json:"fs"`
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
		Signer string `json:"signer"`
	}
	// Verified is a signature that is valid.
	Verified struct {
		File         string    `json:"file"`
		Valid        bool      `json:"valid"`
		ChainChecked bool      `json:"chain_checked"`
		Signer       string    `json:"signer"`
		Issuer       string    `json:"issuer"`
		Serial       string    `json:"serial"`
		Fingerprint  string    `json:"fingerprint"`
		SigningTime  time.Time `json:"signing_time"`
		Key          string    `json:"key"`
		Digest       string    `json:"digest"`
	}
	// Certificates are certificates on display.
	Certificates struct {
		Certificates []Certificate `json:"certificates"`
	}
	// WrittenCertificate is a certificate that was written for the portal.
	WrittenCertificate struct {
		File        string      `json:"file"`
		Form        string      `json:"form"`
		Certificate Certificate `json:"certificate"`
	}
)

// Keys and host keys.
type (
	// Keys are SSH keys on display.
	Keys struct {
		Keys []Key `json:"keys"`
	}
	// NewKey is a key that was made, taken over or written.
	NewKey struct {
		Key   Key       `json:"key"`
		Files *KeyFiles `json:"files,omitempty"`
	}
	// KeyFiles are the files of a key.
	KeyFiles struct {
		Private string `json:"private"`
		OpenSSH string `json:"openssh"`
		SSH2    string `json:"ssh2"`
	}
	// Rotation is how far a change of keys has come.
	Rotation struct {
		Finished   bool      `json:"finished"`
		Configured bool      `json:"configured"` // the configuration was changed
		Key        Key       `json:"key"`        // the new one
		Files      *KeyFiles `json:"files,omitempty"`
		Old        *string   `json:"old,omitempty"` // file of the one that is no longer used
	}
	// ServerKeys are the keys that a server shows.
	ServerKeys struct {
		Host     string    `json:"host"`
		Server   string    `json:"server"`
		Accepted bool      `json:"accepted"`
		Keys     []HostKey `json:"keys"`
		Error    *Error    `json:"error,omitempty"`
	}
	// AcceptedKey is a key that was named by its fingerprint, and is accepted.
	AcceptedKey struct {
		Host        string `json:"host"`
		KeyType     string `json:"key_type"`
		Fingerprint string `json:"fingerprint"`
	}
	// RemovedKeys are keys that are not accepted any more, and the file as it was.
	RemovedKeys struct {
		Removed []HostKey `json:"removed"`
		KeptAs  string    `json:"kept_as"`
	}
	// KnownHosts are the keys that are accepted.
	KnownHosts struct {
		Keys []HostKey `json:"keys"`
	}
)

// Setting up.
type (
	// SetUpAlready is a configuration that was left as it is.
	SetUpAlready struct {
		Config  string `json:"config"`
		Changed bool   `json:"changed"`
	}
	// Secrets say where passwords come from.
	Secrets struct {
		Secrets []Secret `json:"secrets"`
		Error   *Error   `json:"error,omitempty"`
	}
	// KeptSecret says whether a password is in the keyring now.
	KeptSecret struct {
		Name string `json:"name"`
		File string `json:"file"`
		Kept bool   `json:"kept"`
	}
	// Completion is a script for a shell.
	Completion struct {
		Shell  string `json:"shell"`
		Script string `json:"script"`
	}
	// Manual are manual pages that were written.
	Manual struct {
		Dir   string   `json:"dir"`
		Pages []string `json:"pages"`
	}
	// Sandbox is a stand-in server that listens.
	Sandbox struct {
		Address string `json:"address"`
		User    string `json:"user"`
		HostKey string `json:"host_key"`
		Config  string `json:"config"`
	}
	// Program is its version.
	Program struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	}
)

// Event is what happens on the way, with --events: one object on a line.
type Event struct {
	Event string    `json:"event"`
	At    time.Time `json:"at"`

	Submission *Submission `json:"submission,omitempty"` // submission
	Reply      *Reply      `json:"reply,omitempty"`      // reply
	Error      *Error      `json:"error,omitempty"`      // retry

	Submissions *int     `json:"submissions,omitempty"`  // waiting: for so many
	MaxSeconds  *float64 `json:"most_seconds,omitempty"` // waiting: at most so long

	Phase string `json:"phase,omitempty"` // progress
	Done  *int64 `json:"done,omitempty"`
	Total *int64 `json:"total,omitempty"`
	Unit  string `json:"unit,omitempty"`
}
