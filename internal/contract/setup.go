package contract

import (
	"time"

	"github.com/socbatch/socbatch/internal/lang"
)

// Certificate is a certificate for programs.
type Certificate struct {
	File      string    `json:"file"`
	Role      string    `json:"role,omitempty"` // current, next
	Owner     string    `json:"owner"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	DaysLeft  int       `json:"days_left"`
	Key       string    `json:"key"`
	KeyUsage  []string  `json:"key_usage"`
	SHA256    string    `json:"sha256"`
	SHA1      string    `json:"sha1"`
	CanSign   bool      `json:"can_sign"`
	Problem   string    `json:"problem,omitempty"`
	SignsNow  bool      `json:"signs_now"`
}

// DoctorCheck is the result of one check.
type DoctorCheck struct {
	ID      string      `json:"id"`
	State   string      `json:"state"`
	Finding string      `json:"finding,omitempty"`
	Message lang.Text   `json:"message"`
	Hints   []lang.Text `json:"hints"`
}

// HostKey is a key of the server, and what is thought of it.
type HostKey struct {
	KeyType     string `json:"key_type,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	MD5         string `json:"md5,omitempty"`
	State       string `json:"state,omitempty"`
	Host        string `json:"host,omitempty"`
	File        string `json:"file,omitempty"`
	Line        int    `json:"line,omitempty"`
}

// Init is what was set up.
type Init struct {
	Config      string   `json:"config"`
	Changed     bool     `json:"changed"`
	Sender      string   `json:"sender"`
	User        string   `json:"user"`
	Environment string   `json:"environment"`
	Key         string   `json:"key"`
	KeyIsNew    bool     `json:"key_is_new"`
	KeySHA256   string   `json:"key_sha256"`
	P12         string   `json:"p12,omitempty"`
	Passwords   string   `json:"passwords,omitempty"`
	Upload      []string `json:"upload"`
	Host        string   `json:"host,omitempty"`
	HostKey     string   `json:"host_key,omitempty"`
	Accepted    bool     `json:"host_key_accepted"`
	Sandbox     bool     `json:"sandbox"`
	Outgoing    string   `json:"outgoing,omitempty"`
	Examples    string   `json:"examples,omitempty"`
}

// Key is a key for programs.
type Key struct {
	File        string `json:"file"`
	Role        string `json:"role,omitempty"` // key, next
	Private     bool   `json:"private"`
	Encrypted   bool   `json:"encrypted"`
	Form        string `json:"form"`
	Type        string `json:"type"`
	Bits        int    `json:"bits"`
	Registrable bool   `json:"registrable"`
	SHA256      string `json:"sha256"`
	MD5         string `json:"md5"`
	Comment     string `json:"comment"`
	OpenSSH     string `json:"openssh"`
	SSH2        string `json:"ssh2"`
}

// Secret says where a password comes from; never what it is.
type Secret struct {
	Name   string `json:"name"`
	File   string `json:"file,omitempty"`
	Needed bool   `json:"needed"`
	Source string `json:"source,omitempty"`
	Detail string `json:"detail,omitempty"`
	Error  *Error `json:"error,omitempty"`
}
