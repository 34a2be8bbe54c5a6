package sshkey

import (
	"bytes"
	"encoding/pem"
	"errors"

	"golang.org/x/crypto/ssh"
)

// Inspection is what a key file tells without a passphrase.
type Inspection struct {
	Public    ssh.PublicKey // nil where only the passphrase reveals it
	Private   bool          // the file holds a private key
	Encrypted bool
	Format    string // as in Key; of a public key "OpenSSH", "RFC 4716" or "PEM"
	Comment   string // where it can be read
}

// Inspect reads a private or a public key of any of the forms that Parse and
// ParsePublic know. The public half of an encrypted key is believed; only the
// passphrase can prove it.
func Inspect(data []byte) (*Inspection, error) {
	text := bytes.TrimLeft(plainText(data), " \t\r\n")
	ppk := bytes.HasPrefix(text, []byte("PuTTY-User-Key-File-"))
	if !ppk && !bytes.Contains(text, []byte("PRIVATE KEY")) {
		return inspectPublic(data, text)
	}
	key, err := Parse(data, nil)
	if err == nil {
		return &Inspection{Public: key.PublicKey(), Private: true, Format: key.Format, Comment: key.Comment}, nil
	}
	if !errors.Is(err, ErrPassphraseNeeded) {
		return nil, err
	}
	in := &Inspection{Private: true, Encrypted: true}
	if ppk {
		f, err := readPPK(string(text))
		if err != nil {
			return nil, err
		}
		in.Format, in.Comment = f.format(), f.comment
		in.Public, err = ssh.ParsePublicKey(f.public)
		if err != nil {
			return nil, ppkError("the public part is damaged")
		}
		return in, nil
	}
	block, _ := pem.Decode(text)
	_, in.Format, _ = parsePEM(block, nil)
	var missing *ssh.PassphraseMissingError
	if _, err := ssh.ParseRawPrivateKey(pem.EncodeToMemory(block)); errors.As(err, &missing) {
		in.Public = missing.PublicKey
	}
	return in, nil
}

func inspectPublic(data, text []byte) (*Inspection, error) {
	key, comment, err := ParsePublic(data)
	if err != nil {
		return nil, err
	}
	in := &Inspection{Public: key, Comment: comment, Format: formatOpenSSH}
	switch {
	case bytes.HasPrefix(text, []byte("---- ")):
		in.Format = "RFC 4716"
	case bytes.HasPrefix(text, []byte("-----")):
		in.Format = "PEM"
	}
	return in, nil
}
