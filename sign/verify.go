package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha512" // for SHA-384 and SHA-512
	"crypto/x509"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// ClockSkew is how far in the future a signing time may lie, for clocks that differ.
const ClockSkew = 5 * time.Minute

// VerifyOptions says whom to trust. At least one of Roots, Registered and SkipChain
// must be set, or [Verify] fails with [ErrNoTrust].
type VerifyOptions struct {
	// Roots are the certificates that the signer's chain must end in.
	Roots *x509.CertPool
	// Intermediates help to build the chain, beside the certificates in the signature.
	// May be nil.
	Intermediates *x509.CertPool
	// Registered pins the signer to this certificate. The chain is then checked only if
	// Roots is set too.
	Registered *x509.Certificate
	// SkipChain accepts any signer. The result says only that content, signature and
	// the included certificate belong together, not who made them.
	SkipChain bool
	// Now is the time at which certificates must be valid; zero: the present.
	Now time.Time
	// ForbidUnsignedAttributes refuses unsigned attributes, such as the time stamp of
	// CAdES-T, which are ignored otherwise.
	ForbidUnsignedAttributes bool
	// SentForm demands what the office demands of signatures that it receives: DER,
	// SignedData version 1, a signing time, no revocation lists and no unsigned attributes.
	SentForm bool
}

// Signature tells who signed, and how.
type Signature struct {
	Signer *x509.Certificate
	// Chain leads from the signer to a root, both included; nil if not checked.
	Chain []*x509.Certificate
	// SigningTime is the signer's claim, in UTC, within the validity of the certificate;
	// zero if the signature has none.
	SigningTime time.Time
	// Digest is "SHA-256", "SHA-384" or "SHA-512".
	Digest string
	// Key describes the signer's key: "RSA 2048", "ECDSA P-384", …
	Key string
	// UnsignedAttributes reports that there were some; they were not looked at.
	UnsignedAttributes bool
}

// Verify checks that fs is a detached signature (text as [DecodeText] reads it, or DER
// or BER) over exactly the bytes of content, by a signer whom opts trust. It is
// stricter than CMS itself, as signatures say little if it is not:
//
//   - exactly one signer, named by issuer and serial number, certificate included
//   - no content within, nothing behind
//   - signed attributes, each type once; content type "data" and message digest
//   - SHA-256, -384 or -512; RSA PKCS#1 v1.5 of 2048 to 8192 bits, or ECDSA on P-256, P-384 or P-521
//   - a certificate valid at Now that may sign documents, with a chain to Roots
//   - a signing time, if there is one, within its validity and not after Now plus [ClockSkew]
//
// Revocation is not checked. Content is read once, in constant memory, and only when
// the signature has the right form. fs of any bytes is safe: at most
// [MaxSignatureSize], with bounded nesting, number of certificates and size of keys.
//
// Each refusal is an [*Error] whose reason is one of the second group of Err… values,
// or [ErrTooLarge], [ErrKeyUsage], [ErrKeyTooShort], [ErrExpired], [ErrNotYetValid].
// An error of content is returned wrapped.
func Verify(content io.Reader, fs []byte, opts VerifyOptions) (Signature, error) {
	if opts.Roots == nil && opts.Registered == nil && !opts.SkipChain {
		return Signature{}, fail(ErrNoTrust, "")
	}
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	sd, err := readSignature(fs, opts)
	if err != nil {
		return Signature{}, err
	}
	if t := sd.attrs.signingTime; t.After(opts.Now.Add(ClockSkew)) {
		return Signature{}, fail(ErrSigningTime, t.Format(time.RFC3339)+" is in the future")
	}
	candidates, others := sd.signerCertificates()
	if len(candidates) == 0 {
		return Signature{}, fail(ErrNoSignerCertificate, "")
	}

	h := sd.hash.New()
	if err := copyContent(h, content); err != nil {
		return Signature{}, fmt.Errorf("read signed content: %w", err)
	}
	if !bytes.Equal(h.Sum(nil), sd.attrs.messageDigest) {
		return Signature{}, fail(ErrDigestMismatch, "")
	}
	signer, chain, err := sd.findSigner(candidates, others, opts)
	if err != nil {
		return Signature{}, err
	}
	return Signature{
		Signer:             signer,
		Chain:              chain,
		SigningTime:        sd.attrs.signingTime,
		Digest:             sd.hash.String(),
		Key:                keyText(signer.PublicKey),
		UnsignedAttributes: sd.unsignedAttrs,
	}, nil
}

// readSignature reads the text and checks the form.
func readSignature(fs []byte, opts VerifyOptions) (*signedData, error) {
	raw, err := DecodeText(fs)
	if err != nil {
		return nil, err
	}
	der, rest, err := toDER(raw)
	if err != nil {
		return nil, failBy(ErrMalformed, err)
	}
	if len(rest) > 0 {
		return nil, fail(ErrTrailingData, fmt.Sprintf("%d bytes", len(rest)))
	}
	sd, err := parseSignedData(der)
	if err != nil {
		return nil, err
	}
	if sd.unsignedAttrs && (opts.ForbidUnsignedAttributes || opts.SentForm) {
		return nil, fail(ErrUnsignedAttributes, "")
	}
	if opts.SentForm {
		switch {
		case !bytes.Equal(der, raw) || !sd.attrs.sorted:
			return nil, fail(ErrNotDER, "")
		case sd.version != 1:
			return nil, fail(ErrVersion, fmt.Sprintf("SignedData version %d, not 1", sd.version))
		case sd.crls:
			return nil, fail(ErrCRLs, "")
		case sd.attrs.signingTime.IsZero():
			return nil, fail(ErrNoSignedAttributes, "signing time")
		}
	}
	return sd, nil
}

// signerCertificates parses the included certificates: those with the signer's issuer
// and serial number, of which a hostile signature may have several, and the others.
func (sd *signedData) signerCertificates() (candidates, others []*x509.Certificate) {
	for _, der := range sd.certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil || isOversized(c) {
			continue
		}
		if bytes.Equal(c.RawIssuer, sd.issuer) && c.SerialNumber.Cmp(sd.serial) == 0 {
			candidates = append(candidates, c)
		} else {
			others = append(others, c)
		}
	}
	return candidates, others
}

// isOversized reports a key made to cost time.
func isOversized(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() > maxRSABits
}

// findSigner gives the candidate that made the signature and may be trusted.
func (sd *signedData) findSigner(candidates, others []*x509.Certificate, opts VerifyOptions) (*x509.Certificate, []*x509.Certificate, error) {
	digest := sum(sd.hash.New(), sd.signedAttrs)
	var refusal error
	for _, c := range candidates {
		if err := sd.checkSignedBy(c, digest); err != nil {
			if refusal == nil {
				refusal = err
			}
			continue
		}
		chain, err := sd.checkTrust(c, others, opts)
		if err == nil {
			return c, chain, nil
		}
		refusal = err // says more than that another candidate's key does not fit
	}
	return nil, nil, refusal
}

func sum(h hash.Hash, data []byte) []byte {
	h.Write(data)
	return h.Sum(nil)
}

func (sd *signedData) checkSignedBy(c *x509.Certificate, digest []byte) error {
	var family string
	switch c.PublicKey.(type) {
	case *rsa.PublicKey:
		family = "RSA"
	case *ecdsa.PublicKey:
		family = "ECDSA"
	default:
		return fail(ErrAlgorithm, "key "+keyText(c.PublicKey))
	}
	if family != sd.family {
		return fail(ErrAlgorithm, sd.family+" signature, but key "+keyText(c.PublicKey))
	}
	if k, ok := c.PublicKey.(*ecdsa.PublicKey); ok && k.Curve.Params().BitSize < 256 {
		return fail(ErrKeyTooShort, keyText(k))
	}
	if err := checkStrength(c); err != nil {
		return err
	}
	return checkSignature(c.PublicKey, sd.hash, digest, sd.signature)
}

func (sd *signedData) checkTrust(c *x509.Certificate, others []*x509.Certificate, opts VerifyOptions) ([]*x509.Certificate, error) {
	if opts.Registered != nil && !c.Equal(opts.Registered) {
		return nil, fail(ErrNotRegistered, fmt.Sprintf("signed by %s, serial number %s", nameOf(c.Subject), serialText(c.SerialNumber)))
	}
	if err := checkValidity(c, opts.Now); err != nil {
		return nil, err
	}
	if t := sd.attrs.signingTime; !t.IsZero() && checkValidity(c, t) != nil {
		return nil, fail(ErrSigningTime, t.Format(time.RFC3339)+" is outside the validity of the certificate")
	}
	if err := checkKeyUsage(c); err != nil {
		return nil, err
	}
	if err := checkPurpose(c); err != nil {
		return nil, err
	}
	if opts.Roots == nil {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if opts.Intermediates != nil {
		pool = opts.Intermediates.Clone()
	}
	for _, o := range others {
		pool.AddCert(o)
	}
	chains, err := c.Verify(x509.VerifyOptions{
		Roots: opts.Roots, Intermediates: pool, CurrentTime: opts.Now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, &Error{
			Reason: ErrUntrusted, Err: err,
			Detail: fmt.Sprintf("%s, issued by %s: %s", nameOf(c.Subject), nameOf(c.Issuer),
				printable(strings.TrimPrefix(err.Error(), "x509: "))),
		}
	}
	return chains[0], nil
}
