// Package config reads the configuration: a TOML file, over it the
// environment's SOCBATCH_… variables, over both what the command line says.
package config

import (
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Config is everything that can be configured. Paths may begin with ~/ and,
// in the file, are relative to the file's directory.
type Config struct {
	// Sender is the six-digit sender number.
	Sender string `toml:"sender"`
	// Environment is where submit and fetch go when nothing is said; never R.
	Environment string `toml:"environment"`
	// Language is en, nl, fr or de; empty: that of the person's system.
	Language string `toml:"language"`
	// StateDir holds the ledger, the frozen copies and the locks.
	StateDir string `toml:"state_dir"`
	// ArchiveRecipient are the recipients of age for whom stored replies and
	// frozen copies are encrypted; empty: they are not.
	ArchiveRecipient StringList `toml:"archive_recipient"`
	// ArchiveIdentity is the file of the identity that reads them again.
	ArchiveIdentity string `toml:"archive_identity"`

	Endpoint    Endpoint    `toml:"endpoint"`
	Identity    Identity    `toml:"identity"`
	Secrets     Secrets     `toml:"secrets"`
	Declaration Declaration `toml:"declaration"`
	Replies     Replies     `toml:"replies"`
	Status      Status      `toml:"status"`
	Outgoing    []Outgoing  `toml:"outgoing"`
	Hooks       Hooks       `toml:"hooks"`
	Monitoring  Monitoring  `toml:"monitoring"`
	Prune       Prune       `toml:"prune"`
}

// Endpoint is the server and how to log in.
type Endpoint struct {
	Host string `toml:"host"`
	Port int    `toml:"port"`
	User string `toml:"user"`
	// Key is the file of the private SSH key; empty with Agent.
	Key               string `toml:"key"`
	KeyPassphraseFile string `toml:"key_passphrase_file"`
	// KeyPassphraseCommand is a program, with its arguments, that prints it.
	KeyPassphraseCommand []string `toml:"key_passphrase_command"`
	// KeyPassphrase is set from the environment only.
	KeyPassphrase string `toml:"-"`
	// NextKey is the file of a key that is to follow Key: login tries it first.
	NextKey string `toml:"next_key"`
	// NextKeyPassphraseFile is empty where both keys have the same passphrase.
	NextKeyPassphraseFile string `toml:"next_key_passphrase_file"`
	// NextKeyPassphraseCommand likewise.
	NextKeyPassphraseCommand []string `toml:"next_key_passphrase_command"`
	// OwnPassphrase is set where the next key stands in the place of Key, with a
	// passphrase of its own.
	OwnPassphrase bool `toml:"-"`
	Agent         bool `toml:"agent"`
	// Proxy is the address of a proxy: socks5://, http:// or https://, with host
	// and port, and perhaps a user name; or NoProxy.
	Proxy string `toml:"proxy"`
	// ProxyPasswordFile has the password of that user.
	ProxyPasswordFile string `toml:"proxy_password_file"`
	// ProxyPassword is set from the environment only.
	ProxyPassword string `toml:"-"`
	// ProxyCommand is a program, with its arguments, whose standard input and
	// output are the connection.
	ProxyCommand []string `toml:"proxy_command"`
	// HostKeys are SHA256: fingerprints of which the server must have one.
	HostKeys []string `toml:"host_keys"`
	// KnownHosts are OpenSSH known_hosts files.
	KnownHosts []string `toml:"known_hosts"`
	// AllowSSHRSA permits ssh-rsa (SHA-1) signatures, for this server only.
	AllowSSHRSA bool `toml:"allow_ssh_rsa"`
	// Timeout ends whatever makes no progress for so long.
	Timeout Duration `toml:"timeout"`
	// Parallel is the number of files in flight.
	Parallel int `toml:"parallel"`
}

// Identity is the certificate that signs.
type Identity struct {
	P12          string `toml:"p12"`
	PasswordFile string `toml:"password_file"`
	// PasswordCommand is a program, with its arguments, that prints it.
	PasswordCommand []string `toml:"password_command"`
	// Password is set from the environment only.
	Password string `toml:"-"`
	// IncludeChain puts the issuers' certificates into the FS.
	IncludeChain bool `toml:"include_chain"`
	// Text is the form of the FS: "64-crlf", "76-cr" or "one-line".
	Text string `toml:"text"`
	// SignAlways signs in T and S too.
	SignAlways bool `toml:"sign_always"`
	// Registered is the file of the certificate that the portal was given.
	Registered string `toml:"registered"`
	// Issuers are further issuers of certificates that are accepted; * stands
	// for any text.
	Issuers []string `toml:"issuers"`
	// OwnPassword is set where the next certificate stands in the place of P12.
	OwnPassword bool `toml:"-"`
	// Next follows when P12 has expired, or from a day on.
	Next NextIdentity `toml:"next"`
}

// NextIdentity is the certificate that follows the one in use.
type NextIdentity struct {
	P12             string   `toml:"p12"`
	PasswordFile    string   `toml:"password_file"`
	PasswordCommand []string `toml:"password_command"`
	// From is the first day in Brussels on which it signs; empty: when the other
	// has expired.
	From Date `toml:"from"`
}

// Secrets says where passwords are looked for, beside the files and commands
// that are named.
type Secrets struct {
	// Keyring asks the keyring of the desktop.
	Keyring bool `toml:"keyring"`
	// Timeout ends a command that takes longer, and bounds the keyring.
	Timeout Duration `toml:"timeout"`
}

// Declaration says what may be handed in.
type Declaration struct {
	MaxSize int64 `toml:"max_size"` // bytes of one file
	// Settle is for how long a file must not have changed.
	Settle Duration `toml:"settle"`
	// SchemaDir holds the schema files that declarations are compared with;
	// empty: they are not.
	SchemaDir string `toml:"schema_dir"`
}

// Replies says what becomes of replies.
type Replies struct {
	// Archive is the directory that they are stored in.
	Archive string `toml:"archive"`
	// TrustedRoots is a PEM file of the certificates to trust for their
	// signatures.
	TrustedRoots string `toml:"trusted_roots"`
	// RequireSignature lets only replies with a valid signature count; others
	// stay on the server.
	RequireSignature bool `toml:"require_signature"`
	// IncompleteAfter is for how long a reply may wait for its GO before it is
	// reported.
	IncompleteAfter Duration `toml:"incomplete_after"`
}

// Status says when an answer is late, and whom to call then.
type Status struct {
	// ReceiptAfter and NotificationAfter are how long after the sending the
	// receipt and the notification may take.
	ReceiptAfter      Duration `toml:"receipt_after"`
	NotificationAfter Duration `toml:"notification_after"`
	// Contact is whom to call.
	Contact string `toml:"contact"`
}

// Outgoing is a directory whose files are sent.
type Outgoing struct {
	Dir string `toml:"dir"`
	// Environment is where they go; R is said here, and takes --env R too.
	Environment string `toml:"environment"`
	// Application is that of every file; empty: from the root element.
	Application string `toml:"application"`
}

// Hooks are programs that are told of what happened. Each is a program and its
// arguments; empty: nobody is told.
type Hooks struct {
	// OnReply is told of each reply that was stored and read.
	OnReply []string `toml:"on_reply"`
	// OnRefused is told of each set that became refused.
	OnRefused []string `toml:"on_refused"`
	// OnError is told of each run that failed.
	OnError []string `toml:"on_error"`
	// Timeout ends a program that takes longer.
	Timeout Duration `toml:"timeout"`
}

// Monitoring says whom to tell that all goes well.
type Monitoring struct {
	// HeartbeatURL is asked for after a run that succeeded.
	HeartbeatURL string `toml:"heartbeat_url"`
	// MetricsFile is written at the end of a run.
	MetricsFile string `toml:"metrics_file"`
}

// Prune says what is old.
type Prune struct {
	// After is how old replies and frozen copies are that prune removes; empty:
	// it has to be told.
	After Period `toml:"after"`
}

// Defaults are the values of what nobody configures.
func Defaults(getenv func(string) string) Config {
	state := stateDir(getenv)
	return Config{
		StateDir: state,
		Endpoint: Endpoint{
			Host: "sftp.socialsecurity.be", Port: 8022, Timeout: Duration(time.Minute), Parallel: 64,
		},
		Identity:    Identity{Text: "64-crlf"},
		Secrets:     Secrets{Keyring: true, Timeout: Duration(30 * time.Second)},
		Declaration: Declaration{MaxSize: 2 << 30, Settle: Duration(2 * time.Second)},
		Replies:     Replies{IncompleteAfter: Duration(time.Hour)},
		Status: Status{
			ReceiptAfter: Duration(24 * time.Hour), NotificationAfter: Duration(72 * time.Hour),
			Contact: "Eranova, 02 511 51 51",
		},
		Hooks: Hooks{Timeout: Duration(30 * time.Second)},
	}
}

func stateDir(getenv func(string) string) string {
	if d := getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "socbatch")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	if runtime.GOOS == "windows" {
		// The roaming profile survives where a job's local data is cleared.
		if d := getenv("AppData"); d != "" {
			return filepath.Join(d, "socbatch")
		}
	}
	return filepath.Join(home, ".local", "state", "socbatch")
}
