package hostkey

import (
	"slices"

	"golang.org/x/crypto/ssh"
)

// families are the host key algorithms by type of key, in order of preference.
var families = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// Families returns the host key algorithms by type of key, best first. allowSSHRSA
// appends ssh-rsa, the signature with SHA-1, behind the others for RSA keys.
func Families(allowSSHRSA bool) [][]string {
	fam := make([][]string, len(families))
	for i, f := range families {
		fam[i] = slices.Clone(f)
	}
	if allowSSHRSA {
		last := len(fam) - 1
		fam[last] = append(fam[last], ssh.KeyAlgoRSA)
	}
	return fam
}

// Algorithms returns the lists of host key algorithms to offer to hostport, one
// per connection: a further list is needed only if the key shown under the one
// before was refused.
//
// Where known_hosts names keys of the host, their algorithms come first, so
// that a server with several keys shows the one that is known. The type of a
// pinned key is not known, so with pins each family of algorithms gets a list
// of its own after the first. allowSSHRSA appends ssh-rsa, the signature with
// SHA-1, behind the other algorithms for RSA keys.
func (v *Verifier) Algorithms(hostport string, allowSSHRSA bool) [][]string {
	fam := Families(allowSSHRSA)
	all := slices.Concat(fam...)
	if v == nil {
		return [][]string{all}
	}
	var first []string
	for _, k := range v.known(hostport) {
		for _, a := range algorithmsFor(k.Key.Type(), allowSSHRSA) {
			if slices.Contains(all, a) && !slices.Contains(first, a) {
				first = append(first, a)
			}
		}
	}
	for _, a := range all {
		if !slices.Contains(first, a) {
			first = append(first, a)
		}
	}
	lists := [][]string{first}
	if len(v.pins) > 0 {
		lists = append(lists, fam...)
	}
	return lists
}

func algorithmsFor(keyType string, allowSSHRSA bool) []string {
	if keyType != ssh.KeyAlgoRSA {
		return []string{keyType}
	}
	a := []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if allowSSHRSA {
		a = append(a, ssh.KeyAlgoRSA)
	}
	return a
}

// supportedType reports a key type that x/crypto must be able to read.
func supportedType(keyType string) bool {
	return keyType == ssh.KeyAlgoRSA || slices.Contains(families[0], keyType) || slices.Contains(families[1], keyType)
}
