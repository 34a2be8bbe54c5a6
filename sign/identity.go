package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// MinRSABits is the shortest RSA key that is accepted, in bits.
const MinRSABits = 2048

// maxRSABits bounds the work that a hostile certificate can cause.
const maxRSABits = 8192

var oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}

// Identity is a signing key with its certificate. It does not change and may be
// used by several goroutines if its crypto.Signer may (Go's own keys may).
type Identity struct {
	signer crypto.Signer
	leaf   *x509.Certificate
	chain  []*x509.Certificate
	hash   crypto.Hash
}

// NewIdentity joins a key and its certificate. The signer may live elsewhere, such
// as on a card; it must sign digests with PKCS#1 v1.5 (RSA) or in the ASN.1 form
// (ECDSA), as [crypto.Signer] prescribes. Of chain, the certificates that lead up
// from leaf are kept, in that order; others are dropped.
//
// Errors: [ErrUnsupportedKey], [ErrNoKey], [ErrNoMatchingCertificate]. Whether the
// certificate may sign now is not asked here but by [Identity.Check].
func NewIdentity(signer crypto.Signer, leaf *x509.Certificate, chain []*x509.Certificate) (*Identity, error) {
	if signer == nil || isNilPointer(signer) {
		return nil, fail(ErrNoKey, "")
	}
	if leaf == nil {
		return nil, fail(ErrNoMatchingCertificate, "no certificate given")
	}
	pub := signer.Public()
	hash, err := hashFor(pub)
	if err != nil {
		return nil, err
	}
	if !samePublicKey(pub, leaf) {
		return nil, fail(ErrNoMatchingCertificate, "certificate of "+nameOf(leaf.Subject))
	}
	return &Identity{signer: signer, leaf: leaf, chain: orderChain(leaf, chain), hash: hash}, nil
}

// Certificate gives the signer's certificate. Do not change it.
func (id *Identity) Certificate() *x509.Certificate { return id.leaf }

// Chain gives the known issuers of the certificate, nearest first; the root may be
// among them.
func (id *Identity) Chain() []*x509.Certificate { return slices.Clone(id.chain) }

// Check tells whether the identity may sign at the given time: [ErrKeyTooShort],
// [ErrNotYetValid], [ErrExpired], [ErrKeyUsage], or nil. A certificate without the
// key usage extension may sign.
func (id *Identity) Check(now time.Time) error { return CheckCertificate(id.leaf, now) }

// hashFor picks the digest that every known verifier accepts with the key.
func hashFor(pub crypto.PublicKey) (crypto.Hash, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return crypto.SHA256, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return crypto.SHA256, nil
		case elliptic.P384():
			return crypto.SHA384, nil
		}
	}
	return 0, fail(ErrUnsupportedKey, keyText(pub)+"; RSA, P-256 and P-384 are supported")
}

func samePublicKey(pub crypto.PublicKey, c *x509.Certificate) bool {
	k, ok := pub.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(c.PublicKey)
}

func isNilPointer(s crypto.Signer) bool {
	v := reflect.ValueOf(s)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

func checkStrength(c *x509.Certificate) error {
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < MinRSABits {
		return fail(ErrKeyTooShort, fmt.Sprintf("RSA %d bits, at least %d are needed", k.N.BitLen(), MinRSABits))
	}
	return nil
}

func checkValidity(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) {
		return fail(ErrNotYetValid, fmt.Sprintf("%s, valid from %s", nameOf(c.Subject), c.NotBefore.Format(time.RFC3339)))
	}
	if now.After(c.NotAfter) {
		return fail(ErrExpired, fmt.Sprintf("%s, valid until %s", nameOf(c.Subject), c.NotAfter.Format(time.RFC3339)))
	}
	return nil
}

func checkKeyUsage(c *x509.Certificate) error {
	// An extension that is present with no bit set forbids everything; one that is
	// absent forbids nothing. Both leave c.KeyUsage at zero.
	present := slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidKeyUsage) })
	if present && c.KeyUsage&(x509.KeyUsageContentCommitment|x509.KeyUsageDigitalSignature) == 0 {
		return fail(ErrKeyUsage, nameOf(c.Subject)+", key usage has neither non-repudiation nor digital signature")
	}
	return nil
}

// checkPurpose refuses a certificate made only for purposes other than documents
// and people, such as a TLS server's.
func checkPurpose(c *x509.Certificate) error {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || len(c.UnknownExtKeyUsage) > 0 {
		return nil
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageTimeStamping,
			x509.ExtKeyUsageOCSPSigning, x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel,
			x509.ExtKeyUsageIPSECUser, x509.ExtKeyUsageMicrosoftServerGatedCrypto,
			x509.ExtKeyUsageNetscapeServerGatedCrypto, x509.ExtKeyUsageMicrosoftCommercialCodeSigning,
			x509.ExtKeyUsageMicrosoftKernelCodeSigning:
		default:
			return nil
		}
	}
	return fail(ErrKeyUsage, nameOf(c.Subject)+", made for another purpose than signing documents")
}

// orderChain follows the issuers of leaf upwards through certs.
func orderChain(leaf *x509.Certificate, certs []*x509.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for cur := leaf; !isSelfIssued(cur); {
		i := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
			return c != nil && isIssuer(c, cur) && !c.Equal(leaf) && !slices.ContainsFunc(chain, c.Equal)
		})
		if i < 0 {
			break
		}
		cur = certs[i]
		chain = append(chain, cur)
	}
	return chain
}

func isSelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

func isIssuer(parent, child *x509.Certificate) bool {
	if !bytes.Equal(parent.RawSubject, child.RawIssuer) {
		return false
	}
	return len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 ||
		bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId)
}

// pickLeaf chooses the certificate for a key: among those that fit, one that is
// valid now before one that is not, then the one that lasts longest.
func pickLeaf(pub crypto.PublicKey, certs []*x509.Certificate, now time.Time) *x509.Certificate {
	var best *x509.Certificate
	for _, c := range certs {
		if !samePublicKey(pub, c) {
			continue
		}
		if best == nil {
			best = c
			continue
		}
		cValid, bestValid := checkValidity(c, now) == nil, checkValidity(best, now) == nil
		if cValid != bestValid {
			if cValid {
				best = c
			}
		} else if c.NotAfter.After(best.NotAfter) {
			best = c
		}
	}
	return best
}
