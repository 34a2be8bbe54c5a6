package cli

import (
	"path/filepath"

	"github.com/socbatch/socbatch/transport/sshkey"
)

// tell says what was made, and what the person does next.
func (s *setUp) tell() {
	u := s.app.ui
	u.object(s.json())
	u.result("set up  sender %s, user %s, environment %s", s.sender, s.user, s.environment)
	u.result("  %s  configuration", displayPath(s.path))
	key := sshkey.Describe(s.public)
	if s.made {
		u.result("  %s  your new SSH key (%s, %d bits): give it to nobody", displayPath(s.key), key.Type, key.Bits)
	} else {
		u.result("  %s  your SSH key (%s, %d bits): give it to nobody", displayPath(s.key), key.Type, key.Bits)
	}
	if s.p12 != "" {
		u.result("  %s  your certificate: give it to nobody", displayPath(s.p12))
	}
	switch s.where {
	case keepKeyring:
		u.result("  passwords are kept in the keyring of this computer")
	case keepFile:
		u.result("  passwords are kept in files beside the configuration, which only you can read")
	case keepNowhere:
		u.result("  passwords are asked for each time")
	}
	u.result("")
	if s.options.sandbox {
		s.tellSandbox()
		return
	}
	u.result("Register these files on the portal of the social security (socialsecurity.be, structured messages), at sender %s:", s.sender)
	for _, f := range s.upload {
		u.result("  %s  %s", displayPath(f.path), f.what)
	}
	switch {
	case s.certificate != nil:
	case s.p12 != "":
		u.result("The .cer of the certificate is still to come: socbatch cert export writes it, with the password")
	default:
		u.result("The certificate is still to come: name it with p12 = \"…\" under [identity], then: socbatch cert export")
	}
	u.result("The portal takes the keys at the channel with SFTP and the user name %s. What it says then may take a while to work.", s.user)
	u.result("")
	switch {
	case s.shown.accepted:
		u.result("The server %s is accepted: %s", s.shown.host, s.shown.fingerprint)
	case s.shown.fingerprint != "":
		u.result("The server %s shows %s %s. When the office has confirmed it:", s.shown.host, s.shown.keyType, s.shown.fingerprint)
		u.result("  %s", "socbatch hostkey accept "+s.shown.fingerprint)
	}
	u.result("Then see whether everything works:")
	u.result("  %s", "socbatch doctor")
}

func (s *setUp) tellSandbox() {
	u := s.app.ui
	if s.options.examples != "" {
		u.result("Example declarations are in %s.", displayPath(s.options.examples))
	}
	u.result("Start the stand-in server in another window, and leave it running:")
	u.result("  %s", "socbatch sandbox")
	u.result("Then see whether everything works:")
	u.result("  %s", "socbatch doctor")
}

type jsonInit struct {
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

func (s *setUp) json() jsonInit {
	out := jsonInit{
		Config: s.path, Changed: true, Sender: s.sender, User: s.user, Environment: string(s.environment), Key: s.key, KeyIsNew: s.made,
		KeySHA256: sshkey.Describe(s.public).SHA256, P12: s.p12, Passwords: s.where, Upload: []string{}, Host: s.shown.host, HostKey: s.shown.fingerprint,
		Accepted: s.shown.accepted, Sandbox: s.options.sandbox, Outgoing: s.outgoing, Examples: s.options.examples,
	}
	for _, f := range s.upload {
		out.Upload = append(out.Upload, filepath.Clean(f.path))
	}
	return out
}
