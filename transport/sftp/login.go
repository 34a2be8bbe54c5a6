package sftp

import (
	"io"
	"slices"

	"golang.org/x/crypto/ssh"
)

// loginAttempt is one try to log in: the keys, and the one algorithm for those
// that are RSA.
type loginAttempt struct {
	name  string // of the RSA algorithm, or "keys"
	rsa   string // "" on the only attempt of an endpoint without RSA keys
	keys  []ssh.Signer
	first bool
}

// loginAttempts returns the attempts in the order in which they are made. Keys
// other than RSA have one algorithm and are offered on the first attempt only.
func loginAttempts(keys []ssh.Signer, e Endpoint) []loginAttempt {
	var rsaKeys []ssh.Signer
	for _, k := range keys {
		if k.PublicKey().Type() == ssh.KeyAlgoRSA {
			rsaKeys = append(rsaKeys, k)
		}
	}
	if len(rsaKeys) == 0 {
		return []loginAttempt{{name: "keys", keys: keys, first: true}}
	}
	algorithms := []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if e.AllowSSHRSA {
		algorithms = append(algorithms, ssh.KeyAlgoRSA)
	}
	if i := slices.Index(algorithms, e.PreferLogin); i > 0 {
		algorithms = append([]string{e.PreferLogin}, slices.Delete(algorithms, i, i+1)...)
	}
	var attempts []loginAttempt
	for i, a := range algorithms {
		attempt := loginAttempt{name: a, rsa: a, keys: rsaKeys, first: i == 0}
		if i == 0 {
			attempt.keys = keys
		}
		attempts = append(attempts, attempt)
	}
	return attempts
}

// login is how a session logged in.
type login struct {
	algorithm   string
	fingerprint string
}

// maxTwice is the number of RSA keys up to which each is offered in both ways
// below. Servers count attempts; OpenSSH ends the connection after six.
const maxTwice = 2

// signers returns the keys of an attempt. The key that signs is noted in used.
//
// With a restricted signer x/crypto leaves the key out where the server does
// not announce the algorithm (server-sig-algs), or announces nothing. Such
// servers get a forced signer. That one in turn fails where the server answers
// with the type of the key in place of the algorithm, so the restricted one goes
// first.
func (a loginAttempt) signers(used *login) []ssh.Signer {
	var out, forced []ssh.Signer
	rsaKeys := 0
	for _, k := range a.keys {
		as, ok := k.(ssh.AlgorithmSigner)
		if k.PublicKey().Type() != ssh.KeyAlgoRSA {
			out = append(out, &notedSigner{Signer: k, used: used})
			continue
		}
		if !ok { // such a signer can do ssh-rsa only
			if a.rsa == ssh.KeyAlgoRSA {
				out = append(out, &notedSigner{Signer: k, used: used})
			}
			continue
		}
		rsaKeys++
		s := &rsaSigner{AlgorithmSigner: as, algorithm: a.rsa, used: used}
		if a.rsa == ssh.KeyAlgoRSA {
			out = append(out, s) // x/crypto offers it anyway
			continue
		}
		out = append(out, s)
		forced = append(forced, &rsaSigner{AlgorithmSigner: as, algorithm: a.rsa, used: used, force: true})
	}
	if rsaKeys > maxTwice && len(forced) > 0 {
		out = slices.DeleteFunc(out, func(s ssh.Signer) bool { _, ok := s.(*rsaSigner); return ok })
	}
	return append(out, forced...)
}

type notedSigner struct {
	ssh.Signer
	used *login
}

func (s *notedSigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	*s.used = login{s.PublicKey().Type(), ssh.FingerprintSHA256(s.PublicKey())}
	return s.Signer.Sign(rand, data)
}

// rsaSigner signs with one algorithm only (ssh.MultiAlgorithmSigner).
type rsaSigner struct {
	ssh.AlgorithmSigner
	algorithm string
	force     bool
	used      *login
}

func (s *rsaSigner) Algorithms() []string { return []string{s.algorithm} }

func (s *rsaSigner) SignWithAlgorithm(rand io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	*s.used = login{s.algorithm, ssh.FingerprintSHA256(s.AlgorithmSigner.PublicKey())}
	return s.AlgorithmSigner.SignWithAlgorithm(rand, data, s.algorithm)
}

func (s *rsaSigner) PublicKey() ssh.PublicKey {
	if s.force {
		return forcedKey{s.AlgorithmSigner.PublicKey(), s.algorithm}
	}
	return s.AlgorithmSigner.PublicKey()
}

// forcedKey names the signature algorithm as its type. The bytes are those of
// the RSA key, so on the wire it is a plain request for that algorithm.
type forcedKey struct {
	ssh.PublicKey
	algorithm string
}

func (k forcedKey) Type() string { return k.algorithm }
