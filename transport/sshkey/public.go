package sshkey

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// ParsePublic reads one public key in OpenSSH form (one line), in RFC 4716
// form (---- BEGIN SSH2 PUBLIC KEY ----) or in PEM form (PKIX), and its
// comment, which may be empty. An RSA key below MinRSABits is ErrWeakKey.
func ParsePublic(data []byte) (key ssh.PublicKey, comment string, err error) {
	if len(data) > maxKeyBytes {
		return nil, "", &FormatError{Found: fmt.Sprintf("a file of %d bytes, too large for a key", len(data))}
	}
	data = bytes.TrimSpace(plainText(data))
	switch {
	case bytes.HasPrefix(data, []byte("---- BEGIN SSH2 PUBLIC KEY ----")):
		key, comment, err = parseRFC4716(string(data))
	case bytes.HasPrefix(data, []byte("-----BEGIN PUBLIC KEY-----")):
		key, err = parsePKIX(data)
	case bytes.Contains(data, []byte("PRIVATE KEY")), bytes.HasPrefix(data, []byte("PuTTY-User-Key-File-")):
		return nil, "", &FormatError{Found: "a private key where a public key is needed"}
	default:
		key, comment, _, _, err = ssh.ParseAuthorizedKey(data)
		if err != nil { // what the parser says of single lines helps nobody
			err = &FormatError{Found: "data that is no public key"}
		}
	}
	if err != nil {
		return nil, "", err
	}
	if n := rsaBits(key); n > 0 && n < MinRSABits {
		return nil, "", fmt.Errorf("%w: RSA with %d bits, at least %d are needed", ErrWeakKey, n, MinRSABits)
	}
	return key, comment, nil
}

func parsePKIX(data []byte) (ssh.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, &FormatError{Found: "a PEM public key that is cut off or damaged"}
	}
	raw, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, &FormatError{Found: "a damaged PEM public key", Err: err}
	}
	key, err := ssh.NewPublicKey(raw)
	if err != nil {
		return nil, &FormatError{Found: "a public key of a type that SSH does not use", Err: err}
	}
	return key, nil
}

func parseRFC4716(text string) (ssh.PublicKey, string, error) {
	damaged := func(err error) (ssh.PublicKey, string, error) {
		return nil, "", &FormatError{Found: "a damaged RFC 4716 public key", Err: err}
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	var body strings.Builder
	comment, ended, inBody := "", false, false
	for i := 1; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "---- END SSH2 PUBLIC KEY ----" {
			ended = true
			break
		}
		tag, value, isHeader := strings.Cut(line, ":")
		if !isHeader || inBody {
			inBody = true
			body.WriteString(line)
			continue
		}
		// A header value ending in a backslash goes on in the next line.
		for strings.HasSuffix(value, `\`) && i+1 < len(lines) {
			i++
			value = strings.TrimSuffix(value, `\`) + strings.TrimRight(lines[i], " \t")
		}
		if strings.EqualFold(tag, "Comment") {
			comment = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	if !ended {
		return damaged(errors.New("the END line is missing"))
	}
	blob, err := base64.StdEncoding.DecodeString(body.String())
	if err != nil {
		return damaged(errors.New("not base64"))
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return damaged(err)
	}
	return key, comment, nil
}

// MarshalOpenSSH returns key as one authorized_keys line, with a final line
// feed. Line breaks in comment become spaces.
func MarshalOpenSSH(key ssh.PublicKey, comment string) []byte {
	line := bytes.TrimRight(ssh.MarshalAuthorizedKey(key), "\n")
	if comment = oneLine(comment); comment != "" {
		line = append(append(line, ' '), comment...)
	}
	return append(line, '\n')
}

// MarshalRFC4716 returns key in the "SSH2" form of RFC 4716, in lines of at
// most 70 characters. Line breaks in comment become spaces.
func MarshalRFC4716(key ssh.PublicKey, comment string) []byte {
	var b bytes.Buffer
	b.WriteString("---- BEGIN SSH2 PUBLIC KEY ----\n")
	if comment = strings.ReplaceAll(oneLine(comment), `"`, "'"); comment != "" {
		line := `Comment: "` + comment + `"`
		for len(line) > 72 {
			b.WriteString(line[:71] + "\\\n")
			line = line[71:]
		}
		b.WriteString(line + "\n")
	}
	text := base64.StdEncoding.EncodeToString(key.Marshal())
	for len(text) > 70 {
		b.WriteString(text[:70] + "\n")
		text = text[70:]
	}
	b.WriteString(text + "\n---- END SSH2 PUBLIC KEY ----\n")
	return b.Bytes()
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }), " ")
}

// rsaBits returns the size of an RSA key, and 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	cp, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	if pk, ok := cp.CryptoPublicKey().(*rsa.PublicKey); ok {
		return pk.N.BitLen()
	}
	return 0
}
