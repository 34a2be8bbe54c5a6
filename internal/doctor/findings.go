package doctor

import (
	"maps"
	"slices"
)

// Finding is one thing that can be wrong. docs/doctor.md explains each.
type Finding string

// What can be wrong.
const (
	ConfigurationMissing Finding = "configuration-missing"
	ConfigurationBroken  Finding = "configuration-broken"
	SenderMissing        Finding = "sender-missing"
	UserMissing          Finding = "user-missing"

	ConfigurationWritable Finding = "configuration-writable"
	SecretReadable        Finding = "secret-readable"
	StateReadable         Finding = "state-readable"
	StateUnwritable       Finding = "state-unwritable"
	StateRemote           Finding = "state-remote"
	ArchiveUnwritable     Finding = "archive-unwritable"

	ClockBehind Finding = "clock-behind"

	SpaceNone    Finding = "space-none"
	SpaceLow     Finding = "space-low"
	SpaceUnknown Finding = "space-unknown"

	LedgerBusy     Finding = "ledger-busy"
	LedgerDamaged  Finding = "ledger-damaged"
	LedgerUnusable Finding = "ledger-unusable"

	P12None            Finding = "p12-none"
	P12Missing         Finding = "p12-missing"
	P12PasswordMissing Finding = "p12-password-missing"
	P12PasswordWrong   Finding = "p12-password-wrong"
	P12Unreadable      Finding = "p12-unreadable"
	P12Unusable        Finding = "p12-unusable"

	CertificateExpired    Finding = "certificate-expired"
	CertificateNotYet     Finding = "certificate-not-yet"
	CertificateSoon       Finding = "certificate-soon"
	CertificateUsage      Finding = "certificate-usage"
	CertificateWeak       Finding = "certificate-weak"
	CertificateSelfSigned Finding = "certificate-self-signed"
	CertificateIssuer     Finding = "certificate-issuer"
	RegisteredMissing     Finding = "registered-missing"
	RegisteredDiffers     Finding = "registered-differs"

	KeyNone              Finding = "key-none"
	KeyMissing           Finding = "key-missing"
	KeyFormat            Finding = "key-format"
	KeyPassphraseMissing Finding = "key-passphrase-missing"
	KeyPassphraseWrong   Finding = "key-passphrase-wrong"
	KeyWeak              Finding = "key-weak"
	KeyType              Finding = "key-type"
	KeyLong              Finding = "key-long"
	KeyPlain             Finding = "key-plain"
	AgentMissing         Finding = "agent-missing"
	AgentEmpty           Finding = "agent-empty"

	DNSUnknown Finding = "dns-unknown"
	DNSFailed  Finding = "dns-failed"

	TCPRefused     Finding = "tcp-refused"
	TCPTimeout     Finding = "tcp-timeout"
	TCPUnreachable Finding = "tcp-unreachable"
	TCPFailed      Finding = "tcp-failed"
	ProxyFailed    Finding = "proxy-failed"

	SSHOther  Finding = "ssh-other"
	SSHSilent Finding = "ssh-silent"
	SSHClosed Finding = "ssh-closed"

	HostKeyUnknown  Finding = "host-key-unknown"
	HostKeyChanged  Finding = "host-key-changed"
	HostKeyRevoked  Finding = "host-key-revoked"
	HostKeysDamaged Finding = "host-keys-damaged"
	NoAlgorithm     Finding = "no-algorithm"
	HandshakeBroken Finding = "handshake-broken"

	LoginRefused   Finding = "login-refused"
	LoginBroken    Finding = "login-broken"
	SFTPRefused    Finding = "sftp-refused"
	SSHRSAUnneeded Finding = "ssh-rsa-unneeded"

	FolderMissing  Finding = "folder-missing"
	FolderOptional Finding = "folder-optional"
	FoldersBroken  Finding = "folders-broken"

	ListingRefused Finding = "listing-refused"
	ListingBroken  Finding = "listing-broken"

	SetsUnknown    Finding = "sets-unknown"
	SetsUnfinished Finding = "sets-unfinished"
	AnswersLate    Finding = "answers-late"
	NameUsed       Finding = "name-used"

	WriteBusy    Finding = "write-busy"
	WriteRefused Finding = "write-refused"
	WriteBroken  Finding = "write-broken"
	WriteLeft    Finding = "write-left"
	WriteFailed  Finding = "write-failed"

	ServerAhead   Finding = "server-ahead"
	ServerDiffers Finding = "server-differs"
)

// trait says of a finding whose it is and how much it weighs.
type trait struct {
	check      Check
	state      State
	connection bool
}

var findings = map[Finding]trait{
	ConfigurationMissing: {Configuration, Failed, false},
	ConfigurationBroken:  {Configuration, Failed, false},
	SenderMissing:        {Configuration, Failed, false},
	UserMissing:          {Configuration, Failed, false},

	ConfigurationWritable: {Permissions, Warning, false},
	SecretReadable:        {Permissions, Warning, false},
	StateReadable:         {Permissions, Warning, false},
	StateUnwritable:       {Permissions, Failed, false},
	StateRemote:           {Permissions, Warning, false},
	ArchiveUnwritable:     {Permissions, Failed, false},

	ClockBehind: {Clock, Failed, false},

	SpaceNone:    {Space, Failed, false},
	SpaceLow:     {Space, Warning, false},
	SpaceUnknown: {Space, Warning, false},

	LedgerBusy:     {LedgerFile, Warning, false},
	LedgerDamaged:  {LedgerFile, Failed, false},
	LedgerUnusable: {LedgerFile, Failed, false},

	P12None:            {P12, Warning, false},
	P12Missing:         {P12, Failed, false},
	P12PasswordMissing: {P12, Failed, false},
	P12PasswordWrong:   {P12, Failed, false},
	P12Unreadable:      {P12, Failed, false},
	P12Unusable:        {P12, Failed, false},

	CertificateExpired:    {Certificate, Failed, false},
	CertificateNotYet:     {Certificate, Failed, false},
	CertificateSoon:       {Certificate, Warning, false},
	CertificateUsage:      {Certificate, Failed, false},
	CertificateWeak:       {Certificate, Failed, false},
	CertificateSelfSigned: {Certificate, Failed, false},
	CertificateIssuer:     {Certificate, Warning, false},
	RegisteredMissing:     {Certificate, Failed, false},
	RegisteredDiffers:     {Certificate, Failed, false},

	KeyNone:              {SSHKey, Failed, false},
	KeyMissing:           {SSHKey, Failed, false},
	KeyFormat:            {SSHKey, Failed, false},
	KeyPassphraseMissing: {SSHKey, Failed, false},
	KeyPassphraseWrong:   {SSHKey, Failed, false},
	KeyWeak:              {SSHKey, Failed, false},
	KeyType:              {SSHKey, Warning, false},
	KeyLong:              {SSHKey, Warning, false},
	KeyPlain:             {SSHKey, Warning, false},
	AgentMissing:         {SSHKey, Failed, false},
	AgentEmpty:           {SSHKey, Failed, false},

	DNSUnknown: {DNS, Failed, true},
	DNSFailed:  {DNS, Failed, true},

	TCPRefused:     {TCP, Failed, true},
	TCPTimeout:     {TCP, Failed, true},
	TCPUnreachable: {TCP, Failed, true},
	TCPFailed:      {TCP, Failed, true},
	ProxyFailed:    {TCP, Failed, true},

	SSHOther:  {SSH, Failed, true},
	SSHSilent: {SSH, Failed, true},
	SSHClosed: {SSH, Failed, true},

	HostKeyUnknown:  {HostKey, Failed, false},
	HostKeyChanged:  {HostKey, Failed, false},
	HostKeyRevoked:  {HostKey, Failed, false},
	HostKeysDamaged: {HostKey, Failed, false},
	NoAlgorithm:     {HostKey, Failed, false},
	HandshakeBroken: {HostKey, Failed, true},

	LoginRefused:   {Login, Failed, false},
	LoginBroken:    {Login, Failed, true},
	SFTPRefused:    {Login, Failed, false},
	SSHRSAUnneeded: {Login, Warning, false},

	FolderMissing:  {Folders, Failed, false},
	FolderOptional: {Folders, Warning, false},
	FoldersBroken:  {Folders, Failed, true},

	ListingRefused: {Listing, Failed, false},
	ListingBroken:  {Listing, Failed, true},

	SetsUnknown:    {Unfinished, Warning, false},
	SetsUnfinished: {Unfinished, Warning, false},
	AnswersLate:    {Unfinished, Warning, false},
	NameUsed:       {Unfinished, Warning, false},

	WriteBusy:    {Write, Warning, false},
	WriteRefused: {Write, Failed, false},
	WriteBroken:  {Write, Failed, true},
	WriteLeft:    {Write, Failed, false},
	WriteFailed:  {Write, Failed, false},

	ServerAhead:   {ServerClock, Warning, false},
	ServerDiffers: {ServerClock, Warning, false},
}

// Findings lists everything that can be wrong.
func Findings() []Finding { return slices.Sorted(maps.Keys(findings)) }

// Check gives the check that a finding belongs to.
func (f Finding) Check() Check { return findings[f].check }

// State is how a check with this finding ends.
func (f Finding) State() State { return findings[f].state }
