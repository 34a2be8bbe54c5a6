package sshkey

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"unicode/utf16"
)

// plainText takes a byte order mark off and turns UTF-16 with a mark into
// UTF-8, as Notepad and PowerShell make it necessary.
func plainText(data []byte) []byte {
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		return rest
	}
	var big bool
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		big = true
	default:
		return data
	}
	var units []uint16
	for data = data[2:]; len(data) >= 2; data = data[2:] {
		hi, lo := data[1], data[0]
		if big {
			hi, lo = lo, hi
		}
		units = append(units, uint16(hi)<<8|uint16(lo))
	}
	return []byte(string(utf16.Decode(units)))
}

func notAKey(data []byte) error {
	has := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	var der asn1.RawValue
	switch {
	case len(data) == 0:
		return &FormatError{Found: "an empty file"}
	case has("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY"):
		return &FormatError{Found: "a private key in ssh.com (SSH2) format",
			Hint: "ssh-keygen -i -f KEYFILE > NEWFILE, or PuTTYgen: Conversions, Export OpenSSH key"}
	case has("---- BEGIN SSH2 PUBLIC KEY"), has("ssh-"), has("ecdsa-"):
		return &FormatError{Found: "a public key", Hint: "give the private key file, usually the same name without .pub"}
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return &FormatError{Found: "a PEM file that is cut off or damaged"}
	}
	if _, err := asn1.Unmarshal(data, &der); err == nil && der.Tag == asn1.TagSequence {
		return &FormatError{Found: "binary DER data, perhaps a key or a .p12 file",
			Hint: "openssl pkey -inform DER -in KEYFILE -out NEWFILE; for a .p12: openssl pkcs12 -nocerts -in FILE -out NEWFILE"}
	}
	return &FormatError{Found: "data of unknown form"}
}

func pemTypeError(typ string) error {
	switch typ {
	case "DSA PRIVATE KEY":
		return &FormatError{Found: "a DSA private key, which SSH servers no longer accept",
			Hint: "ssh-keygen -t rsa -b 4096 -f KEYFILE makes a new key"}
	case "CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY", "RSA PUBLIC KEY", "PKCS7":
		return &FormatError{Found: fmt.Sprintf("PEM of type %q, which holds no private key", typ)}
	case "EC PARAMETERS":
		return &FormatError{Found: `PEM of type "EC PARAMETERS" before the key`,
			Hint: "openssl pkey -in KEYFILE -out NEWFILE"}
	}
	return &FormatError{Found: fmt.Sprintf("PEM of type %.40q", typ)}
}
